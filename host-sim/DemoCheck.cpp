#include "DemoCheck.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>

namespace HangDetection::Sim {

namespace {

using Kind = DemoJob::Kind;
using State = DemoJob::State;

constexpr std::size_t lineCount = 5;

constexpr std::array<std::string_view, lineCount> expectedLines{
    "",
    "====================", "Coder: Build has been detected as hung for 5 minutes and will be terminated.",
    "====================", ""};

bool isFailed(JobDatabase& database, const DemoJob& job)
{
    return database.isTrue(
        "SELECT completed_at IS NOT NULL AND started_at IS NOT NULL AND error_code IS NULL"
        " AND updated_at = completed_at AND error = 'Coder: Build has been detected as hung"
        " for 5 minutes and has been terminated by hang detector.'"
        " FROM provisioner_jobs WHERE id = $1::uuid",
        job.row.id);
}

bool hasFiveLines(JobDatabase& database, const DemoJob& job)
{
    const std::vector<LogRow> logs = database.logs(job.row.id);
    if (logs.size() != job.stages.size() + lineCount)
        return false;
    for (std::size_t i = 0; i < lineCount; ++i) {
        const LogRow& line = logs[job.stages.size() + i];
        if (line.output != expectedLines.at(i) || line.source != "provisioner_daemon" ||
            line.level != "error" || line.stage != job.expectedStage ||
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

bool hasState(JobDatabase& database, const DemoJob& job)
{
    const auto state = database.value(
        "SELECT convert_from(provisioner_state, 'UTF8') FROM workspace_builds WHERE job_id = $1::uuid",
        job.row.id);
    switch (job.expectedState) {
    case State::own:
        return state == job.build->state;
    case State::copied:
        return state == job.previousState;
    case State::none:
        break;
    }
    return !state;
}

bool keepsItsCancellation(JobDatabase& database, const DemoJob& job)
{
    return database.isTrue("SELECT canceled_at < completed_at FROM provisioner_jobs WHERE id = $1::uuid",
                           job.row.id);
}

bool isRunning(JobDatabase& database, const DemoJob& job)
{
    return database.isTrue(
               "SELECT completed_at IS NULL AND error IS NULL FROM provisioner_jobs WHERE id = $1::uuid",
               job.row.id) &&
           database.logs(job.row.id).size() == job.stages.size();
}

bool isUntouched(JobDatabase& database, const DemoJob& job)
{
    return jobRow(database, job.row.id) == job.before &&
           database.logs(job.row.id).size() == job.stages.size();
}

} // namespace

std::vector<Effect> checkEffects(const DemoCluster& cluster, JobDatabase& database,
                                 const NotificationsByJob& notifications)
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
    const auto isHung = [](const DemoJob& job) { return job.kind == Kind::hung; };
    const auto isHungBuild = [](State state) {
        return [state](const DemoJob& job) {
            return job.kind == Kind::hung && job.build && job.expectedState == state;
        };
    };
    const auto stateHolds = [&](const DemoJob& job) { return hasState(database, job); };

    check("hung job marked failed, with the reason", isHung,
          [&](const DemoJob& job) { return isFailed(database, job); });
    check("five lines in its log, under its last stage", isHung,
          [&](const DemoJob& job) { return hasFiveLines(database, job); });
    check("followers notified once, with the exact payload", isHung,
          [&](const DemoJob& job) { return wasNotified(database, job, notifications); });
    check("state copied from the previous build", isHungBuild(State::copied), stateHolds);
    check("own state of the build kept", isHungBuild(State::own), stateHolds);
    check("first build left without a state", isHungBuild(State::none), stateHolds);
    check(
        "canceled job still marked as canceled",
        [&](const DemoJob& job) { return isHung(job) && job.row.canceledAgo.has_value(); },
        [&](const DemoJob& job) { return keepsItsCancellation(database, job); });
    check(
        "healthy job still running", [](const DemoJob& job) { return job.kind == Kind::healthy; },
        [&](const DemoJob& job) { return isRunning(database, job); });
    check(
        "job silent for less than 5 minutes untouched",
        [](const DemoJob& job) { return job.kind == Kind::quiet; },
        [&](const DemoJob& job) { return isUntouched(database, job); });
    check(
        "waiting or completed job untouched", [](const DemoJob& job) { return job.kind == Kind::inactive; },
        [&](const DemoJob& job) { return isUntouched(database, job); });
    check(
        "nobody notified of any other job", [&](const DemoJob& job) { return !isHung(job); },
        [&](const DemoJob& job) { return !notifications.contains(job.row.id); });
    return effects;
}

} // namespace HangDetection::Sim
