#pragma once

#include "Settings.h"
#include "SetupReport.h"
#include "slurm/SlurmConf.h"

#include <filesystem>
#include <optional>
#include <string>

namespace HangDetection::Sim {

class SetupCheck
/// Looks at all that the plugin needs, as SlurmUser sees it, and changes nothing.
{
public:
    struct Files
    /// Absolute paths of those that are not where slurmctld looks for them.
    {
        std::optional<std::filesystem::path> slurmConf;
        std::optional<std::filesystem::path> settings;
    };

    SetupCheck(Files files, SetupReport& report) : _files(std::move(files)), _report(report) {}

    bool run();
    /// True when there is no problem. When root calls it, the process belongs to SlurmUser afterwards.

private:
    std::optional<SlurmConf> readSlurmConf();
    void becomeSlurmUser(const std::string& name);
    void checkPlugin(const SlurmConf& conf);
    std::filesystem::path settingsFile(const std::optional<SlurmConf>& conf);
    SettingsReport readSettings(const std::filesystem::path& file);
    void checkPassfile(const Settings& settings);
    void checkMetricsFile(const Settings& settings);

    const Files _files;
    SetupReport& _report;
    bool _isSlurmUser = true;
    /// Or nobody knows who that is.
};

} // namespace HangDetection::Sim
