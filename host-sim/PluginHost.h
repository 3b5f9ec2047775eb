#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>

namespace HangDetection {
class SlurmConf;
}

namespace HangDetection::Sim {

class PluginError : public std::runtime_error
/// Why slurmctld would not load a plugin.
{
public:
    using std::runtime_error::runtime_error;
};

class PluginHost
/// A job submit plugin, loaded and called as slurmctld does it.
{
public:
    static PluginHost fromSlurmConf(const std::filesystem::path& slurmConf);
    /// Loads job_submit_hang_detector.so from the first directory of PluginDir that has it, and sets
    /// SLURM_CONF as slurmctld does. JobSubmitPlugins has to name hang_detector. Throws PluginError, or
    /// SettingsError for an error in the file itself.

    static bool isNamedIn(const SlurmConf& conf);
    /// Whether JobSubmitPlugins has hang_detector.

    static std::filesystem::path fileIn(const SlurmConf& conf);
    /// job_submit_hang_detector.so in the first directory of PluginDir that has it. Throws PluginError.

    static std::string releaseOf(const std::filesystem::path& file);
    /// The Slurm release that a plugin was built for, as "22.05.8". Opens the file as slurmctld does, but
    /// calls nothing in it. Throws PluginError.

    explicit PluginHost(const std::filesystem::path& file);
    /// Opens, checks and initialises the plugin, in slurmctld's order: the file can be read; dlopen with
    /// RTLD_LAZY; plugin_name, plugin_type and plugin_version exist; the type is the expected one (slurmctld
    /// itself trusts the file's name); the version is exactly this Slurm's; init succeeds; job_submit and
    /// job_modify exist. Throws PluginError.

    ~PluginHost();
    /// Calls fini and closes the plugin, unless it was abandoned.

    PluginHost(PluginHost&& other) noexcept;
    PluginHost(const PluginHost&) = delete;
    PluginHost& operator=(const PluginHost&) = delete;
    PluginHost& operator=(PluginHost&&) = delete;

    std::optional<std::string> submitJob(const std::string& comment = {});
    /// Calls job_submit and then job_modify, as slurmctld does for sbatch and scontrol update. An empty
    /// comment is none. Returns the message to the user when the plugin refuses the job. Throws PluginError
    /// when the plugin accepts the job but refuses the change.

    void abandon() noexcept { _handle = nullptr; }
    /// Leaves the plugin loaded and running, as slurmctld does when it exits.

private:
    struct Opened
    {};

    PluginHost(const std::filesystem::path& file, Opened);
    void* symbol(const char* name) const;
    std::uint32_t version() const;
    void requireCalls() const;
    void initialise() const;

    std::filesystem::path _file;
    void* _handle = nullptr;
    bool _isInitialised = false;
};

std::string slurmVersion();
/// The Slurm release that this program was built for, as "22.05.8".

} // namespace HangDetection::Sim
