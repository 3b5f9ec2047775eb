#pragma once

#include "data/ConnectionString.h"

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace HangDetection {

struct SettingChange
/// One setting of two versions of the file, as text.
{
    std::string key;
    std::string before; /// empty for Connection, which is not told
    std::string after;
};

struct Settings
/// What hang_detector.conf says, complete and checked. The defaults are those of
/// Coder's own detector.
{
    ConnectionString connection;
    std::chrono::seconds interval{60};
    /// Time between the starts of two runs. Ticks that come during a run are left out.
    std::chrono::seconds hungJobDuration{300};
    /// A running job that has been silent for this long is hung.
    std::chrono::seconds hungJobExitTimeout{180};
    /// A worker that cannot report has given up by itself after this time. Being
    /// shorter than hungJobDuration, it makes sure that no worker still acts for
    /// a job that is declared dead.
    std::chrono::seconds pendingJobDuration{0};
    /// A job that was never started and not touched for this long is failed as pending. 0: never.
    int maxJobsPerRun = 10;
    /// Most jobs that one run tries to terminate, a random choice when more are hung.
    std::chrono::seconds runTimeout{300};
    /// Bound on one run, from its start to its last answer.
    bool dryRun = false;
    /// Everything is decided and told, nothing is changed.
    int massHangRatio = 55;
    /// In percent. When more than this share of the running jobs, and more than
    /// massHangMinJobs of them, are silent at once, nothing is terminated for up to one
    /// hungJobDuration. 0: never.
    int massHangMinJobs = 20;
    bool releaseAllocations = false;
    /// The Slurm jobs that are marked with a terminated job are cancelled.
    std::filesystem::path metricsFile;
    /// Absolute. Empty: none.

    static Settings read(const std::filesystem::path& path);
    /// Reads and checks the file. Throws SettingsError with file, line, key,
    /// what is wrong and what is allowed: an unknown or doubled key, a value that
    /// is malformed or out of range, a missing Connection, a password in a file that
    /// everybody can read.

    std::vector<SettingChange> changesTo(const Settings& next) const;
    /// In the order of the README's table.
};

} // namespace HangDetection
