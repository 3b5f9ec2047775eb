#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace HangDetection {

class SlurmConf
/// The parts of slurm.conf that say where things are. Reads the file itself, because Slurm's public API
/// needs a request to slurmctld, which init must not make.
///
/// The syntax is Slurm's: `Key=Value` pairs, keys in any case, values with blanks in double quotes, `#`
/// comments. `\` at the end of a line continues it. `Include` reads another file; %c in its name is the
/// ClusterName. If a key comes twice, the last value counts.
{
public:
    static SlurmConf read(const std::filesystem::path& file);
    /// Throws SettingsError when the file, or one that it includes, cannot be read.

    static std::filesystem::path location();
    /// The file that slurmctld uses: SLURM_CONF, which slurmctld sets; otherwise slurm.conf where the build
    /// expects it, such as /etc/slurm/slurm.conf.

    std::optional<std::string> find(const std::string& key) const;
    /// The last value of a key. The key may be written in any case.

    std::string clusterName() const;
    /// In lower case, as Slurm uses it. Empty when it is missing; slurmctld does not start then.

    std::filesystem::path settingsFile() const;
    /// Where hang_detector.conf is: `hang_detector_conf=/path` in SlurmctldParameters, otherwise beside
    /// slurm.conf. Throws SettingsError when the path is not absolute.

private:
    explicit SlurmConf(std::filesystem::path file) : _file(std::move(file)) {}

    void readFile(const std::filesystem::path& file, int depth);
    void readLine(const std::string& line, int depth);

    std::filesystem::path _file;
    std::map<std::string, std::string> _values;
    /// The keys are in lower case.
};

} // namespace HangDetection
