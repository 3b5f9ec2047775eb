#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace HangDetection {

class SlurmConf
/// Those parts of slurm.conf that tell where things are. Public Slurm headers offer
/// its contents only through a request to slurmctld, which init must not make.
///
/// The syntax is Slurm's: `Key=Value` pairs, keys in any case, values with blanks in
/// double quotes, `#` comments, `\` at the end of a line continues it, `Include`
/// reads another file, in whose name %c is the ClusterName. A key that comes twice has the last value.
{
public:
    static SlurmConf read(const std::filesystem::path& file);
    /// Throws SettingsError when the file or one that it includes cannot be read.

    static std::filesystem::path location();
    /// The file that slurmctld uses: it sets SLURM_CONF. /etc/slurm/slurm.conf
    /// without it.

    std::optional<std::string> find(const std::string& key) const;
    /// The last value of a key, written in any case; nothing when there is none.

    std::string clusterName() const;
    /// In lower case, as Slurm itself uses it. Empty when there is none; slurmctld does not start then.

    std::filesystem::path settingsFile() const;
    /// Where hang_detector.conf is: `hang_detector_conf=/path` among
    /// SlurmctldParameters, or beside slurm.conf. Throws SettingsError when the
    /// path is not absolute.

private:
    explicit SlurmConf(std::filesystem::path file) : _file(std::move(file)) {}

    void readFile(const std::filesystem::path& file, int depth);
    void readLine(const std::string& line, int depth);

    std::filesystem::path _file;
    std::map<std::string, std::string> _values;
    /// By key in lower case.
};

} // namespace HangDetection
