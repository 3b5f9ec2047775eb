// Any text as hang_detector.conf: it gives settings within their documented limits, or
// one line that names the file and tells nothing of the connection.

#include "Fuzzing.h"
#include "Settings.h"
#include "SettingsFile.h"

#include <Poco/String.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <variant>

namespace HangDetection::Test {

namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class MemoryFile
/// A file that is on no disk.
{
public:
    MemoryFile() : _descriptor(memfd_create("hang_detector.conf", 0))
    {
        require(_descriptor >= 0, "there is memory for a file");
    }

    ~MemoryFile() { close(_descriptor); }

    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;

    std::string path() const { return "/proc/self/fd/" + std::to_string(_descriptor); }

    void write(std::string_view text, mode_t mode) const
    {
        require(ftruncate(_descriptor, 0) == 0 &&
                    pwrite(_descriptor, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()) &&
                    fchmod(_descriptor, mode) == 0,
                "a file can be written");
    }

private:
    const int _descriptor;
};

constexpr mode_t groupMayRead = 0640;
constexpr mode_t everybodyMayRead = 0644;

using Outcome = std::variant<Settings, std::string>;
/// The settings, or why they were refused.

Outcome read(const MemoryFile& file, std::string_view text, mode_t mode)
{
    file.write(text, mode);
    try {
        return Settings::read(file.path());
    } catch (const SettingsError& error) {
        return std::string(error.what());
    }
}

template <typename Value>
bool isWithin(Value value, Value least, Value most)
{
    return value >= least && value <= most;
}

void requireLimits(const Settings& settings)
{
    require(isWithin(settings.interval, seconds(1), seconds(hours(1))), "Interval is within its limits");
    require(isWithin(settings.hungJobDuration, seconds(minutes(1)), seconds(hours(168))),
            "HungJobDuration is within its limits");
    require(isWithin(settings.hungJobExitTimeout, seconds(1), settings.hungJobDuration - seconds(1)),
            "HungJobExitTimeout is within its limits");
    require(isWithin(settings.maxJobsPerRun, 1, 10000), "MaxJobsPerRun is within its limits");
    require(isWithin(settings.runTimeout, seconds(1), seconds(hours(1))), "RunTimeout is within its limits");
    require(isWithin(settings.massHangRatio, 0, 99), "MassHangRatio is within its limits");
    require(isWithin(settings.massHangMinJobs, 0, 1000000), "MassHangMinJobs is within its limits");
}

bool isSecretKept(std::string_view text)
/// Whether every secret of the text is a value of Connection, which no error may quote.
{
    const std::vector<std::string> lines = partsOf(text, '\n');
    return std::all_of(lines.begin(), lines.end(), [](const std::string& line) {
        const std::string start = Poco::toLower(Poco::trim(line.substr(0, line.find('='))));
        return start == "connection" || !tellsSecret(line);
    });
}

void requireReason(std::string_view reason, const std::string& path, std::string_view text)
{
    require(std::none_of(reason.begin(), reason.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }),
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
    require(isWithin(line, 1L, 1 + std::count(text.begin(), text.end(), '\n')),
            "an error names a line of the file");
}

bool areSame(const Settings& a, const Settings& b)
{
    return a.connection == b.connection && a.interval == b.interval &&
           a.hungJobDuration == b.hungJobDuration && a.hungJobExitTimeout == b.hungJobExitTimeout &&
           a.maxJobsPerRun == b.maxJobsPerRun && a.runTimeout == b.runTimeout &&
           a.massHangRatio == b.massHangRatio && a.massHangMinJobs == b.massHangMinJobs;
}

bool areSame(const Outcome& a, const Outcome& b)
{
    if (a.index() != b.index())
        return false;
    const Settings* const settings = std::get_if<Settings>(&a);
    return settings != nullptr ? areSame(*settings, std::get<Settings>(b))
                               : std::get<std::string>(a) == std::get<std::string>(b);
}

void requireEntries(const MemoryFile& file, std::string_view text)
{
    file.write(text, groupMayRead);
    try {
        const SettingsFile settings = SettingsFile::read(file.path());
        int last = 0;
        for (const SettingsEntry& entry : settings.entries()) {
            require(entry.line > last, "entries are in the order of the file");
            last = entry.line;
            require(!entry.key.empty() && Poco::trim(entry.key) == entry.key,
                    "a key has no blanks around it");
            require(entry.value.find('\n') == std::string::npos, "a value is on one line");
        }
    } catch (const SettingsError&) {
        // Settings are refused for the same reason.
        require(read(file, text, groupMayRead).index() == 1, "what is no settings file gives no settings");
    }
}

} // namespace

void fuzz(std::string_view input)
{
    static const MemoryFile file;
    const std::string text(input);
    const Outcome outcome = read(file, text, groupMayRead);
    const Settings* const settings = std::get_if<Settings>(&outcome);
    if (settings != nullptr)
        requireLimits(*settings);
    else
        requireReason(std::get<std::string>(outcome), file.path(), text);

    const Outcome outcomeForAll = read(file, text, everybodyMayRead);
    if (settings != nullptr && settings->connection.hasPassword())
        require(outcomeForAll.index() == 1, "a password that everybody can read is refused");
    else if (settings != nullptr)
        require(areSame(outcome, outcomeForAll), "without a password anybody may read the file");

    require(areSame(outcome, read(file, text + "\n# a comment\n", groupMayRead)),
            "a comment changes nothing");
    require(areSame(outcome, read(file, Poco::replace(text, "\n", "\r\n"), groupMayRead)),
            "the line ends of Windows change nothing");
    requireEntries(file, text);
}

} // namespace HangDetection::Test
