#pragma once

#include <Poco/Data/Session.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace HangDetection::Sim {

struct JobRow
/// A row of provisioner_jobs. Times are PostgreSQL intervals before now. By default the job is hung: it has
/// been silent for a bit more than five minutes.
{
    std::string id = {};
    /// Empty: a new one.
    std::string type = "template_version_import";
    std::optional<std::string> startedAgo = "20 minutes";
    std::string updatedAgo = "10 minutes";
    std::optional<std::string> canceledAgo = std::nullopt;
    std::optional<std::string> completedAgo = std::nullopt;
    std::optional<std::string> worker = std::nullopt;
    /// The id of the daemon that took it. No value: a daemon without a row.
};

struct BuildRow
/// A row of workspace_builds.
{
    std::string jobId;
    std::string workspaceId = {};
    /// Empty: a new one.
    int buildNumber = 1;
    std::optional<std::string> state = std::nullopt;
    /// The state as text; it is stored as its bytes.
};

struct LogRow
/// A row of provisioner_job_logs.
{
    std::int64_t id = 0;
    std::string source;
    std::string level;
    std::string stage;
    std::string output;
    std::int64_t microsAfterCompletion = 0;
    /// created_at, counted from the job's completed_at.
};

struct JobLook
/// What the database shows of a job.
{
    std::string id;
    std::string state;
    /// queued, running, failed or done.
    std::string stage;
    /// Stage of the last line in its log; empty without a log.
    std::int64_t silentSeconds = 0;
    /// Time since it was last touched.
    std::string error;
    /// Empty when there is none.
};

class JobDatabase
/// Adds rows to a job database, and reads what happened to them. Used by one thread.
{
public:
    explicit JobDatabase(const std::string& connectionString);
    /// Connects. Throws Poco::Exception.

    std::string addJob(const JobRow& row = {});
    /// Adds a job and returns its id.

    void addJobs(int count, const JobRow& row = {});
    /// Adds this many jobs, each with a new id.

    std::string addDaemon(const std::string& name);
    /// Adds a provisioner daemon and returns its id.

    std::string addBuild(const BuildRow& row);
    /// Adds a workspace build and returns the id of its workspace.

    std::string addBuildJob(const JobRow& job, BuildRow build);
    /// Adds a job of type workspace_build with its build, and returns the id of the job.

    void addLog(const std::string& jobId, const std::string& stage, const std::string& output = "a line",
                const std::string& ago = "6 minutes");
    /// Adds a line of the worker to the job's log, as old as this PostgreSQL interval.

    void heartbeat(const std::string& jobId);
    /// What a worker does every few seconds.

    void stopIfCanceled(const std::string& jobId);
    /// What a worker does when it learns of a cancel: it stops, and completes the job.

    bool isCompleted(const std::string& jobId);

    std::vector<LogRow> logs(const std::string& jobId);
    /// The job's log in the order of its ids.

    std::vector<JobLook> look();
    /// All jobs as they are now, in the order of their ids.

    std::optional<std::string> value(const std::string& sql, const std::string& parameter);
    /// The first column of the only row of a query with one parameter, as text;
    /// nothing when it is null.

    std::optional<std::string> value(const std::string& sql);
    /// The same for a query without a parameter.

    bool isTrue(const std::string& sql, const std::string& parameter);
    /// Whether a query with one parameter answers true.

    void execute(const std::string& sql);
    /// A statement without parameters and results.

    static std::string newId();
    /// A random uuid.

private:
    void insertJobs(int count, const std::optional<std::string>& id, const JobRow& row);

    Poco::Data::Session _session;
};

} // namespace HangDetection::Sim
