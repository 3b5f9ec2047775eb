#pragma once

#include "data/ConnectionString.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace HangDetection {

struct SettingChange
/// A setting that two versions of the file have with different values, as text.
{
    std::string key;
    std::string before; /// empty for Connection, whose value is never logged
    std::string after;
};

struct SettingDescription
/// One key of hang_detector.conf, for the texts about it. Of Connection there is only the key.
{
    std::string key;
    std::string defaultValue; /// none for a file that is not written
    std::string allowed;
    std::string meaning;
};

struct TrustedUser
/// A user of the cluster.
{
    std::string name; /// as written, maybe a number
    std::uint32_t number;
};

struct SettingsReport;

struct Settings
/// The settings of hang_detector.conf, complete and checked. The defaults are those of Coder's own detector.
{
    ConnectionString connection;
    /// Also has cleartextPassword.
    bool cleartextPassword = false;
    /// The password may be sent in clear text without TLS.
    std::chrono::seconds interval{60};
    /// Longest time between the starts of two runs. A tick during a run is dropped.
    static constexpr std::chrono::seconds defaultHungJobDuration{300};
    std::chrono::seconds hungJobDuration = defaultHungJobDuration;
    /// A running job that has been silent for this long is hung.
    std::chrono::seconds hungJobExitTimeout{180};
    /// A worker that cannot report gives up after this time. It must be shorter than hungJobDuration, so that
    /// no worker is still at work on a job that is terminated.
    std::chrono::seconds pendingJobDuration{0};
    /// A job that was never started and not touched for this long is terminated as pending. 0: never.
    std::chrono::seconds endedJobDuration{0};
    /// A job that has been silent since its Slurm job ended, for this long, is terminated as ended. 0: never.
    std::vector<TrustedUser> trustedUsers;
    /// The users whose Slurm jobs' marks count. Empty: those of all users explain a silence, and none proves
    /// an end.
    std::chrono::seconds stalledJobDuration{0};
    /// A job that reports, but has written no line into its log for this long, is canceled. 0: never.
    int maxJobsPerRun = 10;
    /// How many jobs one run tries to terminate or cancel at most. If there are more, the choice is random.
    std::chrono::seconds runTimeout{300};
    /// Limit of one run, from its start to its last answer.
    bool dryRun = false;
    /// Everything is decided and logged, nothing is changed.
    int massHangRatio = 55;
    /// In percent. When more than this share of the running jobs, and more than massHangMinJobs of them, are
    /// silent at once, nothing is terminated for up to one hungJobDuration. 0: never.
    int massHangMinJobs = 20;
    bool releaseAllocations = false;
    /// Cancel the Slurm jobs that are marked with a terminated job.
    std::filesystem::path metricsFile;
    /// An absolute path. Empty: no file.

    static Settings read(const std::filesystem::path& path);
    /// Reads and checks the file. Throws SettingsError, with file, line, key, the error and what is allowed,
    /// for a key that is unknown or comes twice, a value that is malformed or out of range, a missing
    /// Connection, and a password in a file that everybody can read.

    static SettingsReport examine(const std::filesystem::path& path);
    /// The same, but with all errors at once. Throws SettingsError only when the file cannot be read.

    static std::vector<SettingDescription> descriptions();
    /// Of all keys, in the order of the texts.

    Settings withLessHarmOf(const Settings& other) const;
    /// The same settings, with those of the other by which fewer jobs are terminated, fewer Slurm jobs
    /// cancelled, or no password is sent in clear text.

    std::vector<SettingChange> changesTo(const Settings& next) const;
    /// In the order of descriptions().
};

struct SettingsReport
/// What a file says.
{
    Settings settings;
    /// Defaults stand in for what is wrong.
    std::vector<std::string> errors;
    /// Each as SettingsError has it: the first is the one that Settings::read() throws.
};

} // namespace HangDetection
