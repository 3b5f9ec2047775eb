#include "SlurmConf.h"

#include "SettingsFile.h"
#include "notification/LogLine.h"

#include <Poco/Ascii.h>
#include <Poco/String.h>
#include <Poco/StringTokenizer.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <system_error>

namespace HangDetection {

namespace {

/// Slurm's limit for nested Includes is ten, too.
constexpr int deepestInclude = 10;

std::string withoutComment(const std::string& line)
/// Slurm's rule: a `#` starts a comment unless a backslash stands before it.
{
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '#' && (i == 0 || line[i - 1] != '\\'))
            return line.substr(0, i);
    }
    return line;
}

} // namespace

SlurmConf SlurmConf::read(const std::filesystem::path& file)
{
    SlurmConf conf(file);
    conf.readFile(file, 0);
    return conf;
}

std::filesystem::path SlurmConf::location()
{
    // slurmctld sets it before it loads plugins, and does not change it while they start.
    const char* const file = std::getenv("SLURM_CONF"); // NOLINT(concurrency-mt-unsafe)
    return file != nullptr && *file != '\0' ? file : SLURM_CONF_DIR "/slurm.conf";
}

std::optional<std::string> SlurmConf::find(const std::string& key) const
{
    const auto value = _values.find(Poco::toLower(key));
    return value == _values.end() ? std::nullopt : std::optional(value->second);
}

std::string SlurmConf::clusterName() const
{
    return Poco::toLower(find("ClusterName").value_or(""));
}

std::filesystem::path SlurmConf::settingsFile() const
{
    constexpr std::string_view prefix = "hang_detector_conf=";
    const Poco::StringTokenizer parameters(find("SlurmctldParameters").value_or(""), ",",
                                           Poco::StringTokenizer::TOK_TRIM);
    for (const std::string& parameter : parameters) {
        if (!Poco::toLower(parameter).starts_with(prefix))
            continue;
        std::filesystem::path path = parameter.substr(prefix.size());
        if (!path.is_absolute())
            throw SettingsError(_file.string() + ": SlurmctldParameters: " + shortened(parameter) +
                                " is not an absolute path; allowed: hang_detector_conf=/path/to/file");
        return path;
    }
    return _file.parent_path() / "hang_detector.conf";
}

void SlurmConf::readFile(const std::filesystem::path& file, int depth)
{
    std::error_code error;
    if (depth > deepestInclude)
        throw SettingsError(file.string() + ": Include is nested more than " +
                            std::to_string(deepestInclude) + " times");
    const auto status = std::filesystem::status(file, error);
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
        throw SettingsError(file.string() + ": is not a regular file");
    errno = 0;
    std::ifstream stream(file);
    if (!stream)
        throw SettingsError(file.string() + ": cannot be read: " + std::generic_category().message(errno));

    std::string joined;
    std::string line;
    while (std::getline(stream, line)) {
        line = Poco::trimRight(withoutComment(line));
        const bool isContinued = !line.empty() && line.back() == '\\';
        if (isContinued)
            line.pop_back();
        joined += line;
        if (isContinued)
            continue;
        readLine(joined, depth);
        joined.clear();
    }
    readLine(joined, depth);
}

void SlurmConf::readLine(const std::string& line, int depth)
{
    const std::string text = Poco::trim(line);
    if (text.size() > 8 && Poco::icompare(text, 0, 7, "include") == 0 && Poco::Ascii::isSpace(text[7])) {
        const std::string name = Poco::trim(text.substr(8));
        // Slurm's only modifier: %c is the ClusterName, which has to stand above this line.
        const std::filesystem::path included =
            Poco::replace(name.substr(0, name.find_first_of(" \t")), std::string("%c"), clusterName());
        readFile(included.is_absolute() ? included : _file.parent_path() / included, depth + 1);
        return;
    }

    std::size_t at = 0;
    while (at < text.size()) {
        const auto equals = text.find('=', at);
        if (equals == std::string::npos)
            return;
        std::string key = Poco::trim(text.substr(at, equals - at));
        const auto lastBlank = key.find_last_of(" \t");
        if (lastBlank != std::string::npos)
            key.erase(0, lastBlank + 1);

        auto begin = equals + 1;
        while (begin < text.size() && Poco::Ascii::isSpace(text[begin]))
            ++begin;
        const bool isQuoted = begin < text.size() && text[begin] == '"';
        if (isQuoted)
            ++begin;
        const auto end =
            std::min(isQuoted ? text.find('"', begin) : text.find_first_of(" \t", begin), text.size());
        _values[Poco::toLower(key)] = text.substr(begin, end - begin);
        at = end + (isQuoted ? 1U : 0U);
    }
}

} // namespace HangDetection
