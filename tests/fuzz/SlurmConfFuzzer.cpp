// Any text as slurm.conf, and as two files that it may include: it is read, or refused in
// one line that names a file; and a value that was written in quotes is found again.

#include "Fuzzing.h"
#include "SettingsFile.h"
#include "TemporaryDirectory.h"
#include "slurm/SlurmConf.h"

#include <Poco/String.h>

#include <algorithm>

namespace HangDetection::Test {

namespace {

constexpr const char* keys[] = {"ClusterName", "PluginDir", "JobSubmitPlugins", "SlurmctldParameters"};

std::string confined(const std::string& text)
/// The text, which includes nothing from outside of the directory.
{
    if (text.find('/') == std::string::npos)
        return text;
    // A word that a line continues could come together as Include.
    std::string result = Poco::replace(text, "\\", "");
    if (Poco::toLower(result).find("include") != std::string::npos)
        std::replace(result.begin(), result.end(), '/', '_');
    return result;
}

void fuzzFiles(const TemporaryDirectory& directory, std::string_view input)
{
    std::vector<std::string> files = partsOf(input, '|');
    files.resize(3);
    const auto file = directory.write("slurm.conf", confined(files[0]));
    directory.write("1", confined(files[1]));
    directory.write("2", confined(files[2]));
    try {
        const SlurmConf conf = SlurmConf::read(file);
        for (const std::string key : keys) {
            const auto value = conf.find(key);
            require(value == conf.find(Poco::toUpper(key)), "a key may be written in any case");
            require(!value || value->find_first_of("\n\"") == std::string::npos || value->front() != '"',
                    "a value has no quotes around it");
        }
        require(conf.settingsFile().is_absolute(), "the settings have an absolute path");
    } catch (const SettingsError& error) {
        const std::string reason = error.what();
        require(reason.find('\n') == std::string::npos, "an error is one line");
        require(reason.starts_with(directory.path().string() + '/'), "an error names the file");
    }
}

void fuzzValues(const TemporaryDirectory& directory, std::string_view input)
/// Slurm has no way to write a quote, a comment sign or a line end in quotes.
{
    std::vector<std::string> values = partsOf(input, '|');
    values.resize(std::size(keys));
    std::string text;
    for (std::size_t i = 0; i < values.size(); ++i) {
        std::erase_if(values[i], [](char c) { return c == '"' || c == '#' || c == '\n' || c == '\\'; });
        text += keys[i] + (" = \"" + values[i]) + "\"" + (i % 2 == 0 ? " " : "  # a comment\n");
    }
    const SlurmConf conf = SlurmConf::read(directory.write("slurm.conf", text));
    for (std::size_t i = 0; i < values.size(); ++i)
        require(conf.find(keys[i]) == values[i], "a value in quotes is found as it is");
}

} // namespace

void fuzz(std::string_view input)
{
    static const TemporaryDirectory directory;
    fuzzFiles(directory, input);
    fuzzValues(directory, input);
}

} // namespace HangDetection::Test
