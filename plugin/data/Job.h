#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace HangDetection {

using JobId = std::string;
/// The id of a provisioner job as PostgreSQL writes a uuid: 36 characters, lower case.

constexpr std::size_t jobIdLength = 36;

/// True for the bytes that are hexadecimal digits, in either case. A table, as it is three times as fast.
inline constexpr std::array<bool, 256> isHexDigit = [] {
    std::array<bool, 256> digits{};
    for (const char c : std::string_view("0123456789abcdefABCDEF"))
        digits.at(static_cast<unsigned char>(c)) = true;
    return digits;
}();

constexpr bool isJobId(std::string_view text)
/// Whether the text has the form of a JobId, with digits in either case. Job submission waits for it, so it
/// is inline and copies nothing.
{
    constexpr std::size_t hyphens = 4;
    if (text.size() != jobIdLength || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')
        return false;
    std::size_t digits = 0;
    for (const char c : text)
        digits += isHexDigit[static_cast<unsigned char>(c)] ? 1 : 0;
    return digits == jobIdLength - hyphens;
}

using Timestamp = std::string;
/// A timestamptz as the database writes it, only for the database to compare. As text it holds every value of
/// a column, such as -infinity.

struct JobCounts
/// Numbers of the jobs of a deployment: running includes silent, and silent includes hung.
{
    std::int64_t running = 0;
    std::int64_t silent = 0;
    /// Jobs that are hung, or will be within the look-ahead of the search unless they report.
    std::int64_t hung = 0;
    std::chrono::seconds oldestHung{0};
    /// The longest silence of a hung job; 0 when no job is hung.
    std::optional<std::int64_t> pending = std::nullopt;
    /// Jobs that never started and were not updated for the pending threshold. No value when the search does
    /// not look for them.
    std::optional<std::int64_t> stalled = std::nullopt;
    /// Jobs that report, but have written no line into their log for the stalled threshold. No value when
    /// nothing looks for them.

    std::int64_t backlog() const { return hung + pending.value_or(0); }
    /// All jobs that are to be terminated.
};

struct Mark
/// What a job of the scheduler says about itself: which provisioner job it runs, or which daemon, which takes
/// one provisioner job after the other.
{
    enum class Kind
    {
        job,
        daemon
    };

    Kind kind = Kind::job;
    std::string text = {};
    /// A JobId, or the name of a daemon, in any bytes.

    bool operator==(const Mark&) const = default;
    bool operator<(const Mark& other) const
    {
        return std::tie(kind, text) < std::tie(other.kind, other.text);
    }
};

struct WorkerEnd
/// How the job of the scheduler that ran a worker has ended.
{
    std::string schedulerJob;
    std::string state;
    /// The scheduler's word, such as NODE_FAIL.

    bool operator==(const WorkerEnd&) const = default;
};

struct SeenJob
/// A job, and its updated_at when the search read it.
{
    JobId jobId;
    Timestamp updatedAt;
    std::optional<WorkerEnd> workerEnd = std::nullopt;
    /// Why the job is to be terminated as ended, if it is.
};

struct StalledJob
/// A job that reports but does not move, and the newest line in its log when the search read it.
{
    JobId jobId;
    std::int64_t newestLine = 0;
    /// The id of the line. 0 when the log is empty.
};

struct FoundStalled
{
    std::vector<StalledJob> chosen;
    /// The jobs that this run is to cancel.
    std::int64_t jobs = 0;
    /// How many there are in all.
    std::int64_t quiet = 0;
    /// How many have been silent for half of the threshold.
};

struct MarkedJob
/// A running provisioner job that belongs to a mark.
{
    SeenJob job;
    Mark mark = {};
    std::chrono::milliseconds startedAgo{0};
    std::chrono::milliseconds silent{0};
    /// Since its start and since its last heartbeat. Coder's server stamps both, and the database says how
    /// long ago that was.
};

struct Look
/// What a later search in the same session needs, to find the jobs that were written since this search.
{
    std::string snapshot = "1:1:";
    /// A pg_snapshot of PostgreSQL. The default stands for an empty database: every job counts as written
    /// since.
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
    /// The time until the next job becomes hung or pending, unless it reports. No value when there is no such
    /// job.
    bool areTerminatedTouched = false;
    /// Whether a terminated job was updated after its termination.
    std::int64_t doubtful = 0;
    /// Jobs whose updated_at is old enough for silence, but whose rows were written since the earlier look.
    /// Without an earlier look every row counts as written since.
    std::optional<std::chrono::milliseconds> heartbeatAge;
    /// The age of the newest heartbeat of the running jobs that were written since the earlier look. No value
    /// when there is no such job.
    Look look;
};

enum class Reason
/// Why a job is terminated.
{
    hung,    /// started or canceled, and silent for HungJobDuration
    pending, /// neither started nor canceled, and not updated for PendingJobDuration
    ended    /// started, and silent since its worker's job of the scheduler ended, for EndedJobDuration
};

struct Thresholds
/// A job that has been silent for this long is terminated.
{
    std::chrono::seconds hung;
    std::chrono::seconds pending{0};
    /// 0: pending jobs are left alone.
    std::chrono::seconds ended{0};
    std::chrono::seconds stalled{0};
    /// A job that reports, but whose log has been silent for this long, is canceled.
    std::chrono::seconds lag{0};
    std::chrono::seconds pendingLag{0};
    std::chrono::seconds endedLag{0};
    std::chrono::seconds stalledLag{0};
    /// How much longer than the threshold a job has to be silent by the database's clock: because the clock
    /// that stamps the heartbeats is behind, and because there was a time in which no worker could report.

    std::chrono::seconds of(Reason reason) const
    {
        switch (reason) {
        case Reason::hung:
            return hung;
        case Reason::pending:
            return pending;
        case Reason::ended:
            break;
        }
        return ended;
    }

    std::chrono::seconds stalledWithLag() const { return stalled + stalledLag; }

    std::chrono::seconds reportsWithLag() const { return std::chrono::seconds(60) + lag; }
    /// A job without a heartbeat for this long does not report. A worker reports about once a second.

    std::chrono::seconds withLag(Reason reason) const
    /// By the database's clock.
    {
        switch (reason) {
        case Reason::hung:
            return hung + lag;
        case Reason::pending:
            return pending + pendingLag;
        case Reason::ended:
            break;
        }
        return ended + endedLag;
    }
};

enum class Outcome
/// The result for one job that was to be terminated or canceled.
{
    terminated, /// completely, and the termination is committed
    canceled,   /// its worker will learn of it; committed
    locked,     /// another session has locked it; untouched
    missing,    /// deleted meanwhile
    notStarted, /// never started, but not pending for the threshold; untouched
    completed,  /// completed meanwhile; untouched
    reported,   /// reported again meanwhile; untouched
    notStalled, /// its log moved meanwhile, or it was canceled or fell silent; untouched
    suspended,  /// its Slurm job does not run, which explains its silence; untouched
    noBuild,    /// a workspace build without its row in workspace_builds; untouched
    notUpdated, /// a trigger of the database prevents the update; untouched
    takenBack,  /// terminated before, but something took that back each time; untouched
    failed      /// the database raised an error because of this job; untouched
};

enum class BuildState
/// Where the provisioner state of a terminated job's workspace build comes from.
{
    none,   /// the job builds no workspace, or there was no state to copy
    kept,   /// the build had its own state
    copied, /// from the workspace's previous build
};

struct Termination
/// The answer to one request to terminate a job, or to cancel it. The members below outcome are set only as
/// far as the statement read the job. The error is set only when the job itself is at fault.
{
    JobId jobId;
    Outcome outcome = Outcome::failed;
    bool isCancel = false;
    /// The request was to cancel the job.
    Reason reason = Reason::hung;
    /// As the statement found the job under its lock.
    std::optional<WorkerEnd> workerEnd = std::nullopt;
    /// Of a job that ended.
    std::string type;
    std::chrono::seconds silent{0};
    /// The time from the job's last update, such as a heartbeat, to the termination. For a cancel the time
    /// from the last line in the job's log.
    std::string stage;
    std::string workspaceId;
    std::int64_t buildNumber = 0;
    Timestamp updatedAt;
    /// The job's updated_at after the termination. Empty when the job was not terminated.
    std::string workspace;
    std::string owner;
    std::string templateName;
    std::string daemon;
    /// Names. Empty when the role may not read them, and where there is none.
    std::optional<std::chrono::seconds> daemonSeen = std::nullopt;
    /// How long ago Coder's server saw the daemon last.
    BuildState state = BuildState::none;
    std::string error;
    std::string sqlState;
    /// Five characters, or empty when the database raised no error.
    bool isAnswerLost = false;
    /// The answer to the request was lost, and a later run found the job like this.
};

struct Attempt
/// Jobs whose termination was sent, but not answered.
{
    std::vector<SeenJob> jobs;
    Thresholds thresholds;
    std::chrono::microseconds since{0};
    std::chrono::microseconds until = std::chrono::microseconds::max();
    /// When they were sent, and when the answer was lost: since 1970, by the database's clock.
};

struct CompletedJob
{
    JobId jobId;
    std::chrono::seconds since{0};
    /// How long ago it was completed.
    std::string terminated;
    /// The error that a detector gave it. Empty when its worker has completed it.
};

struct CanceledJob
/// What became of a job that was to be canceled as stalled.
{
    JobId jobId;
    std::string workspaceId;
    /// Empty when it builds none.
    std::optional<std::chrono::seconds> canceledAgo;
    /// No value when it is not canceled.
    std::optional<std::chrono::seconds> completedAfter;
    /// The time from the cancel to its completion. No value while it runs.
    std::chrono::seconds silent{0};
    /// Since its last heartbeat.
    bool isOurs = false;
    /// A detector has canceled it, and not its user.
    bool isTerminated = false;
    /// A detector has completed it, and not its worker.
};

struct DatabaseFacts
/// What a connection has found.
{
    std::string server;
    /// Host, or directory of its socket, and port.
    std::string tls;
    /// The version of TLS. Empty without TLS.
    std::string schema;
    /// The year of the schema: 2023, or 2026 where jobs have a status.
    bool searchesByStatus = false;
    /// By Coder's index on that status, and not by reading the table of jobs.
};

struct LockHolder
/// A session of the database.
{
    std::int64_t process = 0;
    std::string role;
    std::string application;
};

struct RevivedJob
/// A terminated job that its worker has updated since.
{
    JobId jobId;
    bool hasSucceeded = false;
    /// True when the job was completed without an error. Otherwise its worker has reported, or has completed
    /// it with an error.

    const char* sinceThen() const { return hasSucceeded ? "succeeded" : "reported"; }
    /// The word for it in the log and in the metrics.
};

} // namespace HangDetection
