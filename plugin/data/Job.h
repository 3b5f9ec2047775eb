#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace HangDetection {

using JobId = std::string;
/// The id of a provisioner job as PostgreSQL writes a uuid: 36 characters, lower case.

struct JobCounts
/// Of the jobs of a deployment. Each number includes the next, up to those that are hung.
{
    std::int64_t running = 0;
    std::int64_t silent = 0;
    /// Hung, or will be within the look-ahead of the search unless they report.
    std::int64_t hung = 0;
    std::chrono::seconds oldestHung{0};
    /// For how long the longest silent of the hung jobs has been silent; 0 when none is hung.
    std::optional<std::int64_t> pending = std::nullopt;
    /// Never started, and not touched for the threshold. Nothing when they are not looked for.

    std::int64_t backlog() const { return hung + pending.value_or(0); }
    /// All that are to be terminated.
};

struct SeenJob
/// A job, and its heartbeat when it was looked at.
{
    JobId jobId;
    std::chrono::microseconds updatedAt{0};
    /// Since 1970.
};

struct Look
/// What a later search in the same session needs, to know which jobs were written since this one.
{
    std::string snapshot = "1:1:";
    /// PostgreSQL's pg_snapshot. The default is that of an empty database: all was written since.
    std::chrono::microseconds time{0};
    /// Since 1970, by the database's clock.
};

struct FoundJobs
/// What one search found.
{
    std::vector<SeenJob> chosen;
    /// The jobs that this run is to terminate.
    JobCounts counts;
    std::optional<std::chrono::milliseconds> untilNext;
    /// How long until the first of the jobs that are neither hung nor pending will be, unless it
    /// reports. Nothing when there is none.
    bool areTerminatedTouched = false;
    /// Whether one of the jobs that were terminated was updated since.
    std::int64_t doubtful = 0;
    /// Jobs that would be silent by their heartbeats, but were written since the earlier look, or
    /// there was none.
    std::optional<std::chrono::milliseconds> heartbeatAge;
    /// Of the newest heartbeat among the running jobs that were written since the earlier look.
    /// Nothing when there is no such job.
    Look look;
};

enum class Reason
/// Why a job is terminated.
{
    hung,   /// started, or canceled before its start, and silent for HungJobDuration
    pending /// neither, and not touched for PendingJobDuration
};

struct Thresholds
/// A job is terminated that has been silent for so long.
{
    std::chrono::seconds hung;
    std::chrono::seconds pending{0};
    /// 0: pending jobs are left alone.
    std::chrono::seconds lag{0};
    /// By which the clock behind all heartbeats is behind. A job is hung only so much later.

    std::chrono::seconds of(Reason reason) const { return reason == Reason::pending ? pending : hung; }
};

enum class Outcome
/// What became of one job that was to be terminated.
{
    terminated, /// completely, and committed
    locked,     /// another session holds it; untouched
    missing,    /// deleted meanwhile
    notStarted, /// not eligible; untouched
    completed,  /// completed meanwhile; untouched
    reported,   /// reported again meanwhile; untouched
    suspended,  /// its Slurm job does not run, which explains its silence; untouched
    noBuild,    /// a workspace build without a build; untouched
    notUpdated, /// a trigger of the database prevents the update; untouched
    failed      /// the database raised an error because of this job; untouched
};

enum class BuildState
/// Where the provisioner state of a terminated job's workspace build is from.
{
    none,   /// the job builds no workspace, or there was no state to copy
    kept,   /// the build had its own
    copied, /// from the workspace's previous build
};

struct Termination
/// The answer to one request to terminate a job. The members below outcome are set
/// as far as the job was looked at, the error when the job itself is at fault.
{
    JobId jobId;
    Outcome outcome = Outcome::failed;
    Reason reason = Reason::hung;
    /// As the job was found under the lock.
    std::string type;
    std::chrono::seconds silent{0};
    /// Between the last time that it was updated, as by a heartbeat, and the termination.
    std::string stage;
    std::string workspaceId;
    std::int64_t buildNumber = 0;
    std::chrono::microseconds updatedAt{0};
    /// The job's updated_at as the termination left it, since 1970; 0 when it was not terminated.
    std::string workspace;
    std::string owner;
    std::string templateName;
    /// Names, as far as the role can read them. Empty otherwise, and where there is none.
    BuildState state = BuildState::none;
    std::string error;
    std::string sqlState;
    /// Five characters, or empty when the database raised no error.
};

struct RevivedJob
/// A job that its worker has updated after it was terminated.
{
    JobId jobId;
    bool hasSucceeded = false;
    /// Completed without an error; otherwise it has reported, or failed by itself.

    const char* sinceThen() const { return hasSucceeded ? "succeeded" : "reported"; }
    /// As log and metrics name it.
};

} // namespace HangDetection
