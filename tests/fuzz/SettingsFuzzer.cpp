// Any text as hang_detector.conf: it gives settings within their documented limits, or
// one line that names the file and tells nothing of the connection.

#include "Fuzzing.h"
#include "Settings.h"
#include "SettingsFile.h"
#include "TemporaryDirectory.h"

#include <Poco/String.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <type_traits>

namespace HangDetection::Test {

namespace {

using namespace std::chrono_literals;

std::filesystem::path written(const std::string& text)
/// A file that its owner and group may read.
{
    static const TemporaryDirectory directory;
    return directory.write("hang_detector.conf", text);
}

struct Outcome
{
    std::optional<Settings> settings;
    std::string refusal;
};

Outcome read(const std::filesystem::path& file)
{
    try {
        return {Settings::read(file), ""};
    } catch (const SettingsError& error) {
        return {std::nullopt, error.what()};
    }
}

void requireSame(const Outcome& a, const Outcome& b, std::string_view what)
{
    require(a.refusal == b.refusal && (!a.settings || a.settings->changesTo(*b.settings).empty()), what);
}

template <typename Value>
void requireWithin(std::type_identity_t<Value> least, Value value, std::type_identity_t<Value> most,
                   std::string_view what)
{
    require(least <= value && value <= most, what);
}

void requireLimits(const Settings& settings)
{
    requireWithin(1s, settings.interval, 1h, "Interval is within its limits");
    requireWithin(1min, settings.hungJobDuration, 168h, "HungJobDuration is within its limits");
    requireWithin(1s, settings.hungJobExitTimeout, settings.hungJobDuration - 1s,
                  "HungJobExitTimeout is within its limits");
    requireWithin(1, settings.maxJobsPerRun, 10000, "MaxJobsPerRun is within its limits");
    requireWithin(1s, settings.runTimeout, 1h, "RunTimeout is within its limits");
    requireWithin(0, settings.massHangRatio, 99, "MassHangRatio is within its limits");
    requireWithin(0, settings.massHangMinJobs, 1000000, "MassHangMinJobs is within its limits");
}

bool isSecretKept(std::string_view text)
/// Whether every secret of the text is a value of Connection, which no error may quote.
{
    return std::ranges::all_of(partsOf(text, '\n'), [](const std::string& line) {
        const std::string start = Poco::toLower(Poco::trim(line.substr(0, line.find('='))));
        return start == "connection" || !tellsSecret(line);
    });
}

void requireReason(std::string_view reason, const std::string& path, std::string_view text)
{
    require(std::ranges::none_of(reason, [](unsigned char c) { return c < 0x20 || c == 0x7f; }),
            "an error is one line without control characters");
    if (isSecretKept(text))
        require(!tellsSecret(reason), "an error tells nothing of the connection");
    require(reason.starts_with(path + ":"), "an error names the file");
    reason.remove_prefix(path.size() + 1);
    if (reason.starts_with(' '))
        return;
    long line = 0;
    const auto [end, error] = std::from_chars(reason.data(), reason.data() + reason.size(), line);
    require(error == std::errc{} && std::string_view(end, 2) == ": ", "an error names the line");
    requireWithin(1, line, 1 + std::ranges::count(text, '\n'), "an error names a line of the file");
}

} // namespace

void fuzz(std::string_view input)
{
    const std::string text(input);
    const std::filesystem::path file = written(text);
    const Outcome outcome = read(file);
    if (outcome.settings)
        requireLimits(*outcome.settings);
    else
        requireReason(outcome.refusal, file.string(), text);

    std::filesystem::permissions(file, std::filesystem::perms::others_read,
                                 std::filesystem::perm_options::add);
    const Outcome outcomeForAll = read(file);
    if (outcome.settings && outcome.settings->connection.hasPassword())
        require(!outcomeForAll.settings, "a password that everybody can read is refused");
    else if (outcome.settings)
        requireSame(outcome, outcomeForAll, "without a password anybody may read the file");

    requireSame(outcome, read(written(text + "\n# a comment\n")), "a comment changes nothing");
    requireSame(outcome, read(written(Poco::replace(text, "\n", "\r\n"))),
                "the line ends of Windows change nothing");
}

} // namespace HangDetection::Test
