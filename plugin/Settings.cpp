#include "Settings.h"

#include "Duration.h"
#include "SettingsFile.h"
#include "notification/LogLine.h"

#include <Poco/String.h>
#include <Poco/StringTokenizer.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <pwd.h>
#include <utility>
#include <variant>

namespace HangDetection {

namespace {

using std::chrono::seconds;

struct Duration
{
    seconds Settings::*member;
    seconds least;
    seconds most;
    bool isZeroAllowed = false;
};

struct Number
{
    int Settings::*member;
    int least;
    int most;
};

struct YesOrNo
{
    bool Settings::*member;
};

struct AbsolutePath
{
    std::filesystem::path Settings::*member;
};

struct Users
{
    std::vector<TrustedUser> Settings::*member;
};

struct ConnectionOfDatabase
{};

struct Setting
/// A key of hang_detector.conf, where its value belongs, what is allowed, and its meaning for the operator.
{
    const char* key;
    std::variant<ConnectionOfDatabase, Duration, Number, YesOrNo, Users, AbsolutePath> kind;
    const char* meaning;
};

constexpr seconds week{7 * 24 * 3600};

/// In the order of the texts for the operator.
constexpr auto all = std::to_array<Setting>({
    {"Connection", ConnectionOfDatabase{},
     "libpq connection string or URI of the job database; passwords belong in a passfile or service file"},
    {"CleartextPassword", YesOrNo{&Settings::cleartextPassword},
     "send the password in clear text over TCP without TLS, if the server asks for that"},
    {"Interval", Duration{&Settings::interval, seconds(1), seconds(3600)},
     "longest time between the starts of two runs; a run that is due during another is left out"},
    // Workers report about once a second. An ordinary pause may last almost a minute.
    {"HungJobDuration", Duration{&Settings::hungJobDuration, seconds(60), week},
     "a running job that is silent for this long is hung"},
    {"HungJobExitTimeout", Duration{&Settings::hungJobExitTimeout, seconds(1), week},
     "a worker that cannot report gives up after this time; only a check: HungJobDuration has to be longer"},
    // A job waits for a free worker, which may take minutes where nothing is wrong.
    {"PendingJobDuration", Duration{&Settings::pendingJobDuration, seconds(60), week, true},
     "a job that was never started and not touched for this long is terminated as pending; 0 is never"},
    // Slurm's times are whole seconds, and silence is seen by two looks.
    {"EndedJobDuration", Duration{&Settings::endedJobDuration, seconds(10), seconds(3600), true},
     "a job that is silent since its Slurm job ended, for this long, is terminated as ended; 0 is never; "
     "needs "
     "TrustedUsers"},
    {"TrustedUsers", Users{&Settings::trustedUsers},
     "only marks of these users' Slurm jobs explain a silence or prove an end; with none, those of all users "
     "explain a silence"},
    // Terraform waits in silence for some resources, and ten minutes are a usual limit for that.
    {"StalledJobDuration", Duration{&Settings::stalledJobDuration, seconds(600), week, true},
     "a job that reports, but has written no line into its log for this long, is canceled, as its user would "
     "do; 0 is never"},
    {"MaxJobsPerRun", Number{&Settings::maxJobsPerRun, 1, 10000},
     "how many jobs one run terminates or cancels at most; if there are more, the choice is random, and the "
     "next run "
     "follows after a second, but not in a dry run"},
    {"RunTimeout", Duration{&Settings::runTimeout, seconds(1), seconds(3600)},
     "limit of one run, without the three seconds between two searches"},
    {"DryRun", YesOrNo{&Settings::dryRun}, "log what would be done, change nothing"},
    // Never more than all jobs are silent, so 100 would be a second way to write 0.
    {"MassHangRatio", Number{&Settings::massHangRatio, 0, 99},
     "terminate nothing for a while when a job is hung and more than this percentage of the running jobs is "
     "silent; 0 is never"},
    {"MassHangMinJobs", Number{&Settings::massHangMinJobs, 0, 1000000}, "and more than this number of jobs"},
    {"ReleaseAllocations", YesOrNo{&Settings::releaseAllocations},
     "ask Slurm before a job is terminated, and cancel the Slurm jobs that are marked with it"},
    // slurmctld's working directory is not the operator's choice.
    {"MetricsFile", AbsolutePath{&Settings::metricsFile},
     "file with metrics for Prometheus, through node_exporter's textfile collector"},
});

std::string allowed(const ConnectionOfDatabase&)
{
    return "";
}

std::string allowed(const Duration& duration)
{
    return (duration.isZeroAllowed ? "0, or " : "") + formatDuration(duration.least) + " to " +
           formatDuration(duration.most);
}

std::string allowed(const Number& number)
{
    return std::to_string(number.least) + " to " + std::to_string(number.most);
}

std::string allowed(const YesOrNo&)
{
    return "yes or no";
}

std::string allowed(const Users&)
{
    return "names or numbers of users, separated by commas";
}

std::string allowed(const AbsolutePath&)
{
    return "an absolute path of a file, or nothing for no file";
}

std::string text(const Settings&, const ConnectionOfDatabase&)
/// The connection is not logged.
{
    return "";
}

std::string text(const Settings& settings, const Duration& duration)
{
    const seconds value = settings.*duration.member;
    return value == seconds(0) ? "0" : formatDuration(value);
}

std::string text(const Settings& settings, const Number& number)
{
    return std::to_string(settings.*number.member);
}

std::string text(const Settings& settings, const YesOrNo& answer)
{
    return settings.*answer.member ? "yes" : "no";
}

std::string text(const Settings& settings, const Users& users)
{
    std::string names;
    for (const TrustedUser& user : settings.*users.member)
        names += (names.empty() ? "" : ",") + user.name;
    return names.empty() ? "none" : names;
}

std::string text(const Settings& settings, const AbsolutePath& path)
{
    const std::filesystem::path& value = settings.*path.member;
    return value.empty() ? "none" : value.string();
}

std::optional<std::uint32_t> numberOfUser(const std::string& name)
{
    std::uint32_t number = 0;
    const char* const end = name.data() + name.size();
    if (const auto [rest, error] = std::from_chars(name.data(), end, number);
        error == std::errc{} && rest == end)
        return number;
    std::vector<char> buffer(std::size_t{1} << 16);
    passwd entry{};
    passwd* found = nullptr;
    if (getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
        return std::nullopt;
    return entry.pw_uid;
}

class Reader
/// Takes over the value of one line, if that is allowed.
{
public:
    Reader(Settings& settings, const SettingsFile& file, const SettingsEntry& entry)
        : _settings(settings), _file(file), _entry(entry)
    {}

    void operator()(const ConnectionOfDatabase&) const
    {
        try {
            _settings.connection = ConnectionString::parse(_entry.value);
        } catch (const ConnectionStringError& error) {
            refuse(error.what());
        }
        if (_settings.connection.hasPassword() && _file.readableByOthers())
            refuse("holds a password, but everybody can read the file; run chown root:slurm and "
                   "chmod 0640 on it, or move the password to a passfile");
    }

    void operator()(const Duration& duration) const
    {
        const std::string units = ", in seconds or with s, m or h (90, 90s, 5m, 1h)";
        const auto value = parseDuration(_entry.value);
        if (!value)
            refuseValue("is not a duration; allowed: " + allowed(duration) + units);
        const bool isZero = duration.isZeroAllowed && *value == seconds(0);
        if (!isZero && (*value < duration.least || *value > duration.most))
            refuseValue("is out of range; allowed: " + allowed(duration) + units);
        _settings.*duration.member = *value;
    }

    void operator()(const Number& number) const
    {
        int value = 0;
        const char* const end = _entry.value.data() + _entry.value.size();
        const auto [rest, error] = std::from_chars(_entry.value.data(), end, value);
        if (error != std::errc{} || rest != end || value < number.least || value > number.most)
            refuseValue("is not allowed; allowed: a whole number from " + allowed(number));
        _settings.*number.member = value;
    }

    void operator()(const YesOrNo& answer) const
    {
        const bool isYes = Poco::icompare(_entry.value, "yes") == 0;
        if (!isYes && Poco::icompare(_entry.value, "no") != 0)
            refuseValue("is not allowed; allowed: " + allowed(answer));
        _settings.*answer.member = isYes;
    }

    void operator()(const Users& users) const
    {
        std::vector<TrustedUser> found;
        const Poco::StringTokenizer names(
            _entry.value, ",", Poco::StringTokenizer::TOK_TRIM | Poco::StringTokenizer::TOK_IGNORE_EMPTY);
        for (const std::string& name : names) {
            const auto number = numberOfUser(name);
            if (!number)
                refuse("'" + shortened(name) + "' is no user of this machine; allowed: " + allowed(users));
            found.push_back({name, *number});
        }
        _settings.*users.member = std::move(found);
    }

    void operator()(const AbsolutePath& path) const
    {
        const std::filesystem::path value = _entry.value;
        if (!value.empty() && (!value.is_absolute() || !value.has_filename()))
            refuseValue("is not allowed; allowed: " + allowed(path));
        _settings.*path.member = value;
    }

private:
    [[noreturn]] void refuseValue(const std::string& reason) const
    {
        refuse("'" + shortened(_entry.value) + "' " + reason);
    }

    [[noreturn]] void refuse(const std::string& reason) const
    {
        throw SettingsError(_file.errorOf(_entry, reason));
    }

    Settings& _settings;
    const SettingsFile& _file;
    const SettingsEntry& _entry;
};

std::string textOf(const Settings& settings, const Setting& setting)
{
    return std::visit([&](const auto& kind) { return text(settings, kind); }, setting.kind);
}

std::string allKeys()
{
    std::string names;
    for (const Setting& setting : all)
        names += (names.empty() ? "" : ", ") + std::string(setting.key);
    return names;
}

std::string notShorter(const std::string& key, seconds value, const Settings& settings)
{
    return key + " (" + formatDuration(value) + ") must be shorter than HungJobDuration (" +
           formatDuration(settings.hungJobDuration) + ")";
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
    auto [settings, errors] = examine(path);
    if (!errors.empty())
        throw SettingsError(errors.front());
    return settings;
}

SettingsReport Settings::examine(const std::filesystem::path& path)
{
    const SettingsFile file = SettingsFile::read(path);
    Settings settings;
    std::vector<std::string> errors = file.errors();
    std::vector<std::string_view> refused;
    const auto refuse = [&](const SettingsEntry& entry, const std::string& reason) {
        errors.push_back(file.errorOf(entry, reason));
    };
    const auto refuseKey = [&](const char* key, const std::string& reason) {
        if (const SettingsEntry* const entry = findEntry(file.entries(), key); entry != nullptr)
            refuse(*entry, reason);
    };

    for (const SettingsEntry& entry : file.entries()) {
        const auto* const setting = std::ranges::find_if(
            all, [&](const Setting& known) { return Poco::icompare(entry.key, known.key) == 0; });
        if (setting == all.end()) {
            refuse(entry, "is not a known key; allowed: " + allKeys());
            continue;
        }
        const SettingsEntry* const first = findEntry(file.entries(), setting->key);
        if (first != &entry) {
            refuse(entry, "is set twice, first in line " + std::to_string(first->line) +
                              "; each key is allowed once");
            continue;
        }
        try {
            std::visit(Reader(settings, file, entry), setting->kind);
        } catch (const SettingsError& error) {
            errors.emplace_back(error.what());
            refused.emplace_back(setting->key);
        }
    }

    // A line that cannot be read may be the one of Connection.
    if (findEntry(file.entries(), "Connection") == nullptr && file.errors().empty())
        errors.push_back(file.error(
            "Connection: is missing; add Connection= with a libpq connection string or URI, such as "
            "Connection=postgresql://hang_detector@db.example.org/coder"));

    settings.connection.allowCleartextPassword(settings.cleartextPassword);

    // The value of a line that was refused is not known.
    const auto isKnown = [&](const char* key) { return std::ranges::find(refused, key) == refused.end(); };
    const bool isHungKnown = isKnown("HungJobDuration");
    if (settings.hungJobExitTimeout >= settings.hungJobDuration && isHungKnown &&
        isKnown("HungJobExitTimeout")) {
        // At least one of the two is in the file, as the defaults fit each other.
        const bool isWritten = findEntry(file.entries(), "HungJobExitTimeout") != nullptr;
        refuseKey(isWritten ? "HungJobExitTimeout" : "HungJobDuration",
                  notShorter("HungJobExitTimeout", settings.hungJobExitTimeout, settings));
    }
    if (settings.endedJobDuration > seconds(0)) {
        if (settings.trustedUsers.empty() && isKnown("TrustedUsers"))
            refuseKey("EndedJobDuration",
                      "needs TrustedUsers with the users whose Slurm jobs run provisioner daemons: any other "
                      "user could have jobs terminated by a mark");
        if (settings.endedJobDuration >= settings.hungJobDuration && isHungKnown)
            refuseKey("EndedJobDuration",
                      notShorter("EndedJobDuration", settings.endedJobDuration, settings));
    }
    return {settings, errors};
}

Settings Settings::withLessHarmOf(const Settings& other) const
{
    // For these, 0 is never.
    const auto longer = [](seconds a, seconds b) {
        return a == seconds(0) || b == seconds(0) ? seconds(0) : std::max(a, b);
    };
    const auto fewer = [](int a, int b) { return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b); };
    constexpr Users users{&Settings::trustedUsers};
    Settings careful = *this;
    careful.cleartextPassword = cleartextPassword && other.cleartextPassword;
    careful.connection.allowCleartextPassword(careful.cleartextPassword);
    careful.dryRun = dryRun || other.dryRun;
    careful.hungJobDuration = std::max(hungJobDuration, other.hungJobDuration);
    careful.endedJobDuration = text(*this, users) == text(other, users)
                                   ? longer(endedJobDuration, other.endedJobDuration)
                                   : seconds(0);
    careful.pendingJobDuration = longer(pendingJobDuration, other.pendingJobDuration);
    careful.stalledJobDuration = longer(stalledJobDuration, other.stalledJobDuration);
    careful.maxJobsPerRun = std::min(maxJobsPerRun, other.maxJobsPerRun);
    careful.massHangRatio = fewer(massHangRatio, other.massHangRatio);
    careful.massHangMinJobs = std::min(massHangMinJobs, other.massHangMinJobs);
    careful.releaseAllocations = releaseAllocations && other.releaseAllocations;
    return careful;
}

std::vector<SettingChange> Settings::changesTo(const Settings& next) const
{
    std::vector<SettingChange> changes;
    if (connection.secretText() != next.connection.secretText())
        changes.push_back({"Connection", "", ""});
    for (const Setting& setting : all) {
        const std::string before = textOf(*this, setting);
        const std::string after = textOf(next, setting);
        if (before != after)
            changes.push_back({setting.key, before, after});
    }
    return changes;
}

std::vector<SettingDescription> Settings::descriptions()
{
    std::vector<SettingDescription> descriptions;
    descriptions.reserve(all.size());
    for (const Setting& setting : all)
        descriptions.push_back({setting.key, textOf(Settings(), setting),
                                std::visit([](const auto& kind) { return allowed(kind); }, setting.kind),
                                setting.meaning});
    return descriptions;
}

} // namespace HangDetection
