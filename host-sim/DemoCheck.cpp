#include "DemoCheck.h"

#include "ContractTexts.h"
#include "detection/AllocationMark.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <utility>

namespace HangDetection::Sim {

namespace {

using Kind = DemoJob::Kind;
using State = DemoJob::State;

constexpr std::size_t lineCount = 5;

ContractTexts textsOf(const DemoJob& job)
{
    return job.kind == Kind::pending ? ContractTexts{.reason = "pending", .minutes = "30"} : ContractTexts{};
}

std::string reason(const DemoJob& job)
{
    return textsOf(job).error();
}

std::array<std::string, lineCount> expectedLines(const DemoJob& job)
{
    const std::string rule = "====================";
    return {"", rule, textsOf(job).line(), rule, ""};
}

/// Columns that may differ from what they were, as an array of PostgreSQL.
constexpr const char* none = "{}";
constexpr const char* heartbeat = "{updated_at}";
constexpr const char* termination = "{updated_at,completed_at,error,error_code}";
constexpr const char* terminationOfPending = "{started_at,updated_at,completed_at,error,error_code}";
constexpr const char* stateAndTime = "{updated_at,provisioner_state}";

bool isJobUnchanged(JobDatabase& database, const DemoJob& job, const std::string& exceptColumns = none)
{
    const std::string except = " - '" + exceptColumns + "'::text[]";
    return database.isTrue("SELECT to_jsonb(j)" + except + " = to_jsonb(b)" + except +
                               " FROM provisioner_jobs j JOIN before.provisioner_jobs b USING (id)"
                               " WHERE j.id = $1::uuid",
                           job.row.id);
}

bool isBuildUnchanged(JobDatabase& database, const DemoJob& job, const std::string& exceptColumns = none)
/// True as well for a job without a build.
{
    const std::string except = " - '" + exceptColumns + "'::text[]";
    return !job.build ||
           database.isTrue("SELECT to_jsonb(w)" + except + " = to_jsonb(b)" + except +
                               " FROM workspace_builds w JOIN before.workspace_builds b USING (id)"
                               " WHERE b.job_id = $1::uuid",
                           job.row.id);
}

bool areEarlierLinesUnchanged(JobDatabase& database, const DemoJob& job)
{
    return database.isTrue("SELECT NOT EXISTS ("
                           "SELECT * FROM before.provisioner_job_logs WHERE job_id = $1::uuid"
                           " EXCEPT SELECT * FROM provisioner_job_logs)",
                           job.row.id);
}

bool isLogUnchanged(JobDatabase& database, const DemoJob& job)
{
    return areEarlierLinesUnchanged(database, job) && database.logs(job.row.id).size() == job.stages.size();
}

bool isPreviousBuildUnchanged(JobDatabase& database, const DemoJob& job)
/// The other build of the same workspace, and its job.
{
    return database.isTrue(
        "SELECT to_jsonb(w) = to_jsonb(b) AND to_jsonb(j) = to_jsonb(bj)"
        " FROM before.workspace_builds this"
        " JOIN before.workspace_builds b ON b.workspace_id = this.workspace_id AND b.id <> this.id"
        " JOIN before.provisioner_jobs bj ON bj.id = b.job_id"
        " JOIN workspace_builds w ON w.id = b.id"
        " JOIN provisioner_jobs j ON j.id = b.job_id"
        " WHERE this.job_id = $1::uuid",
        job.row.id);
}

bool isFailed(JobDatabase& database, const DemoJob& job)
{
    return database.isTrue(
        "SELECT completed_at BETWEEN copied_at AND now() AND updated_at = completed_at" +
            std::string(job.kind == Kind::pending ? " AND started_at = completed_at" : "") +
            " AND error_code IS NULL AND error = '" + reason(job) +
            "' FROM provisioner_jobs, before.instant WHERE id = $1::uuid",
        job.row.id);
}

bool hasFiveLines(JobDatabase& database, const DemoJob& job)
{
    const std::vector<LogRow> logs = database.logs(job.row.id);
    if (logs.size() != job.stages.size() + lineCount)
        return false;
    const auto lines = expectedLines(job);
    for (std::size_t i = 0; i < lineCount; ++i) {
        const LogRow& line = logs[job.stages.size() + i];
        if (line.output != lines.at(i) || line.source != "provisioner_daemon" || line.level != "error" ||
            line.stage != job.expectedStage ||
            line.microsAfterCompletion != static_cast<std::int64_t>(i) * 1000)
            return false;
    }
    return true;
}

bool wasNotified(JobDatabase& database, const DemoJob& job, const NotificationsByJob& notifications)
{
    const auto arrived = notifications.find(job.row.id);
    if (arrived == notifications.end() || arrived->second.size() != 1)
        return false;
    const std::vector<LogRow> logs = database.logs(job.row.id);
    if (logs.size() <= job.stages.size())
        return false;
    const std::int64_t createdAfter = logs[job.stages.size()].id - 1;
    return arrived->second.front() ==
           R"({"created_after":)" + std::to_string(createdAfter) + R"(,"end_of_logs":true})";
}

bool hasCopiedState(JobDatabase& database, const DemoJob& job)
{
    return database.isTrue(
        "SELECT w.provisioner_state = b.provisioner_state AND w.updated_at = j.completed_at"
        " FROM provisioner_jobs j JOIN workspace_builds w ON w.job_id = j.id"
        " JOIN before.workspace_builds b"
        " ON b.workspace_id = w.workspace_id AND b.build_number = w.build_number - 1"
        " WHERE j.id = $1::uuid",
        job.row.id);
}

bool isNothingElseChanged(JobDatabase& database, const DemoJob& job)
{
    return isJobUnchanged(database, job, job.kind == Kind::pending ? terminationOfPending : termination) &&
           isBuildUnchanged(database, job, stateAndTime) && areEarlierLinesUnchanged(database, job);
}

bool keepsItsCancellation(JobDatabase& database, const DemoJob& job)
{
    return database.isTrue("SELECT j.canceled_at = b.canceled_at"
                           " FROM provisioner_jobs j JOIN before.provisioner_jobs b USING (id)"
                           " WHERE j.id = $1::uuid",
                           job.row.id);
}

bool isUntouched(JobDatabase& database, const DemoJob& job, const std::string& exceptColumns = none)
{
    return isJobUnchanged(database, job, exceptColumns) && isBuildUnchanged(database, job) &&
           isLogUnchanged(database, job);
}

const DemoJob* terminatedJobOf(const DemoCluster& cluster, const SimulatedJob& slurmJob)
/// The job that it is marked with, if that is one to be terminated.
{
    const auto job =
        std::find_if(cluster.jobs().begin(), cluster.jobs().end(), [&](const DemoJob& candidate) {
            return candidate.isToBeTerminated() && markedJob(slurmJob.comment) == candidate.row.id;
        });
    return job == cluster.jobs().end() ? nullptr : &*job;
}

} // namespace

std::vector<Effect> checkEffects(const DemoCluster& cluster, JobDatabase& database,
                                 const NotificationsByJob& notifications,
                                 const std::vector<SimulatedJob>& slurmJobs)
{
    std::vector<Effect> effects;
    const auto check = [&](std::string description, const std::function<bool(const DemoJob&)>& concerns,
                           const std::function<bool(const DemoJob&)>& holds) {
        Effect effect{std::move(description)};
        for (const DemoJob& job : cluster.jobs()) {
            if (!concerns(job))
                continue;
            ++effect.expected;
            if (holds(job))
                ++effect.found;
        }
        effects.push_back(std::move(effect));
    };
    const auto isTerminated = [](const DemoJob& job) { return job.isToBeTerminated(); };
    const auto isTerminatedBuild = [](State state) {
        return [state](const DemoJob& job) {
            return job.isToBeTerminated() && job.build && job.expectedState == state;
        };
    };
    const auto isSameBuild = [&](const DemoJob& job) { return isBuildUnchanged(database, job); };

    check("hung or pending job marked failed, with the reason", isTerminated,
          [&](const DemoJob& job) { return isFailed(database, job); });
    check("five lines in its log, under its last stage", isTerminated,
          [&](const DemoJob& job) { return hasFiveLines(database, job); });
    check("followers notified once, with the exact payload", isTerminated,
          [&](const DemoJob& job) { return wasNotified(database, job, notifications); });
    check("nothing else of the job changed", isTerminated,
          [&](const DemoJob& job) { return isNothingElseChanged(database, job); });
    check("state copied from the previous build", isTerminatedBuild(State::copied),
          [&](const DemoJob& job) { return hasCopiedState(database, job); });
    check("build with a state of its own untouched", isTerminatedBuild(State::own), isSameBuild);
    check("first build, without a state, untouched", isTerminatedBuild(State::none), isSameBuild);
    check(
        "previous build of the workspace untouched",
        [&](const DemoJob& job) { return isTerminated(job) && job.previousState.has_value(); },
        [&](const DemoJob& job) { return isPreviousBuildUnchanged(database, job); });
    check(
        "canceled job still marked as canceled",
        [&](const DemoJob& job) { return isTerminated(job) && job.row.canceledAgo.has_value(); },
        [&](const DemoJob& job) { return keepsItsCancellation(database, job); });
    check(
        "healthy job running, changed by its heartbeats only",
        [](const DemoJob& job) { return job.kind == Kind::healthy; },
        [&](const DemoJob& job) { return isUntouched(database, job, heartbeat); });
    check(
        "job silent for less than 5 minutes untouched",
        [](const DemoJob& job) { return job.kind == Kind::quiet; },
        [&](const DemoJob& job) { return isUntouched(database, job); });
    check(
        "job whose Slurm job is suspended untouched",
        [](const DemoJob& job) { return job.kind == Kind::paused; },
        [&](const DemoJob& job) { return isUntouched(database, job); });
    check(
        "waiting or completed job untouched", [](const DemoJob& job) { return job.kind == Kind::inactive; },
        [&](const DemoJob& job) { return isUntouched(database, job); });
    check(
        "nobody notified of any other job", [&](const DemoJob& job) { return !isTerminated(job); },
        [&](const DemoJob& job) { return !notifications.contains(job.row.id); });

    Effect cancelled{"Slurm job of a terminated job cancelled, with the reason"};
    Effect untouched{"any other Slurm job untouched"};
    for (SimulatedJob expected : cluster.slurmJobs()) {
        const DemoJob* const terminated = terminatedJobOf(cluster, expected);
        if (terminated != nullptr) {
            expected.state = SimulatedJob::State::cancelled;
            expected.adminComment = reason(*terminated);
        }
        Effect& effect = terminated == nullptr ? untouched : cancelled;
        ++effect.expected;
        if (std::ranges::find(slurmJobs, expected) != slurmJobs.end())
            ++effect.found;
    }
    effects.push_back(std::move(cancelled));
    effects.push_back(std::move(untouched));
    return effects;
}

} // namespace HangDetection::Sim
