#include "Settings.h"

#include "Duration.h"
#include "SettingsFile.h"

#include <Poco/String.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

namespace HangDetection {

namespace {

using std::chrono::seconds;

std::string quoted(const std::string& value)
{
    return "'" + value + "'";
}

enum class ZeroIs
{
    refused,
    allowed
};

seconds durationWithin(const SettingsFile& file, const SettingsEntry& entry, seconds least, seconds most,
                       ZeroIs zero = ZeroIs::refused)
{
    const std::string allowed = "; allowed: " + std::string(zero == ZeroIs::allowed ? "0, or " : "") +
                                formatDuration(least) + " to " + formatDuration(most) +
                                ", in seconds or with s, m or h (90, 90s, 5m, 1h)";
    const auto duration = parseDuration(entry.value);
    if (!duration)
        file.refuse(entry, quoted(entry.value) + " is not a duration" + allowed);
    const bool isZero = zero == ZeroIs::allowed && *duration == seconds(0);
    if (!isZero && (*duration < least || *duration > most))
        file.refuse(entry, quoted(entry.value) + " is out of range" + allowed);
    return *duration;
}

int numberWithin(const SettingsFile& file, const SettingsEntry& entry, int least, int most)
{
    int number = 0;
    const char* const end = entry.value.data() + entry.value.size();
    const auto [rest, error] = std::from_chars(entry.value.data(), end, number);
    if (error != std::errc{} || rest != end || number < least || number > most)
        file.refuse(entry, quoted(entry.value) + " is not allowed; allowed: a whole number from " +
                               std::to_string(least) + " to " + std::to_string(most));
    return number;
}

bool yesOrNo(const SettingsFile& file, const SettingsEntry& entry)
{
    const bool isYes = Poco::icompare(entry.value, "yes") == 0;
    if (!isYes && Poco::icompare(entry.value, "no") != 0)
        file.refuse(entry, quoted(entry.value) + " is not allowed; allowed: yes or no");
    return isYes;
}

std::string nameOf(bool isYes)
{
    return isYes ? "yes" : "no";
}

struct Key
/// A key of hang_detector.conf and how its value gets into the settings.
{
    const char* name;
    void (*apply)(Settings&, const SettingsFile&, const SettingsEntry&);
    std::string (*text)(const Settings&);
    /// Null for a key whose value is never logged.
};

constexpr std::array<Key, 12> keys{{
    {"Connection",
     [](Settings& settings, const SettingsFile& file, const SettingsEntry& entry) {
         try {
             settings.connection = ConnectionString::parse(entry.value);
         } catch (const ConnectionStringError& error) {
             file.refuse(entry, error.what());
         }
         if (settings.connection.hasPassword() && file.readableByOthers())
             file.refuse(entry, "holds a password, but everybody can read the file; run chown root:slurm and "
                                "chmod 0640 on it, or move the password to a passfile");
     },
     nullptr},
    {"Interval",
     [](Settings& settings, const SettingsFile& file, const SettingsEntry& entry) {
         settings.interval = durationWithin(file, entry, seconds(1), seconds(3600));
     },
     [](const Settings& settings) { return formatDuration(settings.interval); }},
    {"HungJobDuration",
     // Workers report every few seconds. Below a minute an ordinary pause would look like a hang.
     [](Settings& settings, const SettingsFile& file, const SettingsEntry& entry) {
         settings.hungJobDuration = durationWithin(file, entry, seconds(60), seconds(7 * 24 * 3600));
     },
     [](const Settings& settings) { return formatDuration(settings.hungJobDuration); }},
    {"HungJobExitTimeout",
     [](Settings& settings, const SettingsFile& file, const SettingsEntry& entry) {
         settings.hungJobExitTimeout = durationWithin(file, entry, seconds(1), seconds(7 * 24 * 3600));
     },
     [](const Settings& settings) { return formatDuration(settings.hungJobExitTimeout); }},
    {"PendingJobDuration",
     // It may take minutes until a worker is free, with nothing wrong.
     [](Settings& settings, const SettingsFile& file, const SettingsEntry& entry) {
         settings.pendingJobDuration =
             durationWithin(file, entry, seconds(60), seconds(7 * 24 * 3600), ZeroIs::allowed);
     },
     [](const Settings& settings) { return formatDuration(settings.pendingJobDuration); }},
    {"MaxJobsPerRun",
     [](Settings& settings, const SettingsFile& file, const SettingsEntry& entry) {
         settings.maxJobsPerRun = numberWithin(file, entry, 1, 10000);
     },
     [](const Settings& settings) { return std::to_string(settings.maxJobsPerRun); }},
    {"RunTimeout",
     [](Settings& settings, const SettingsFile& file, const SettingsEntry& entry) {
         settings.runTimeout = durationWithin(file, entry, seconds(1), seconds(3600));
     },
     [](const Settings& settings) { return formatDuration(settings.runTimeout); }},
    {"DryRun",
     [](Settings& settings, const SettingsFile& file, const SettingsEntry& entry) {
         settings.dryRun = yesOrNo(file, entry);
     },
     [](const Settings& settings) { return nameOf(settings.dryRun); }},
    {"MassHangRatio",
     // No more than 100 % of the jobs can be silent, so 100 would mean never, as 0 does.
     [](Settings& settings, const SettingsFile& file, const SettingsEntry& entry) {
         settings.massHangRatio = numberWithin(file, entry, 0, 99);
     },
     [](const Settings& settings) { return std::to_string(settings.massHangRatio); }},
    {"MassHangMinJobs",
     [](Settings& settings, const SettingsFile& file, const SettingsEntry& entry) {
         settings.massHangMinJobs = numberWithin(file, entry, 0, 1000000);
     },
     [](const Settings& settings) { return std::to_string(settings.massHangMinJobs); }},
    {"ReleaseAllocations",
     [](Settings& settings, const SettingsFile& file, const SettingsEntry& entry) {
         settings.releaseAllocations = yesOrNo(file, entry);
     },
     [](const Settings& settings) { return nameOf(settings.releaseAllocations); }},
    {"MetricsFile",
     // A relative path would depend on slurmctld's working directory.
     [](Settings& settings, const SettingsFile& file, const SettingsEntry& entry) {
         settings.metricsFile = entry.value;
         if (!entry.value.empty() &&
             (!settings.metricsFile.is_absolute() || !settings.metricsFile.has_filename()))
             file.refuse(entry, quoted(entry.value) +
                                    " is not allowed; allowed: an absolute path of a file, or "
                                    "nothing for no file");
     },
     [](const Settings& settings) {
         return settings.metricsFile.empty() ? std::string("none") : settings.metricsFile.string();
     }},
}};

const Key* findKey(const std::string& name)
{
    const auto* const key = std::ranges::find_if(
        keys, [&](const Key& candidate) { return Poco::icompare(name, candidate.name) == 0; });
    return key == keys.end() ? nullptr : key;
}

std::string allKeys()
{
    std::string names;
    for (const Key& key : keys)
        names += (names.empty() ? "" : ", ") + std::string(key.name);
    return names;
}

const SettingsEntry* findEntry(const std::vector<SettingsEntry>& entries, const char* name)
{
    const auto entry = std::ranges::find_if(
        entries, [&](const SettingsEntry& candidate) { return Poco::icompare(candidate.key, name) == 0; });
    return entry == entries.end() ? nullptr : &*entry;
}

} // namespace

Settings Settings::read(const std::filesystem::path& path)
{
    const SettingsFile file = SettingsFile::read(path);
    Settings settings;

    for (const SettingsEntry& entry : file.entries()) {
        const Key* const key = findKey(entry.key);
        if (key == nullptr)
            file.refuse(entry, "is not a known key; allowed: " + allKeys());
        const SettingsEntry* const first = findEntry(file.entries(), key->name);
        if (first != &entry)
            file.refuse(entry, "is set twice, first in line " + std::to_string(first->line) +
                                   "; each key is allowed once");
        key->apply(settings, file, entry);
    }

    if (findEntry(file.entries(), "Connection") == nullptr)
        file.refuse("Connection: is missing; add Connection= with a libpq connection string or URI, such as "
                    "Connection=postgresql://hang_detector@db.example.org/coder");

    if (settings.hungJobExitTimeout >= settings.hungJobDuration) {
        const std::string reason = "HungJobExitTimeout (" + formatDuration(settings.hungJobExitTimeout) +
                                   ") must be shorter than HungJobDuration (" +
                                   formatDuration(settings.hungJobDuration) + ")";
        // At least one of the two is in the file, as the defaults fit each other.
        for (const char* const key : {"HungJobExitTimeout", "HungJobDuration"}) {
            if (const SettingsEntry* const entry = findEntry(file.entries(), key); entry != nullptr)
                file.refuse(*entry, reason);
        }
    }
    return settings;
}

std::vector<SettingChange> Settings::changesTo(const Settings& next) const
{
    std::vector<SettingChange> changes;
    if (connection != next.connection)
        changes.push_back({"Connection", "", ""});
    for (const Key& key : keys) {
        if (key.text != nullptr && key.text(*this) != key.text(next))
            changes.push_back({key.name, key.text(*this), key.text(next)});
    }
    return changes;
}

} // namespace HangDetection
