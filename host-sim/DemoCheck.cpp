#include "DemoCheck.h"

#include "ContractTexts.h"
#include "slurm/JobMark.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>

namespace HangDetection::Sim {

namespace {

using Kind = DemoJob::Kind;
using State = DemoJob::State;

const DemoJob* terminatedJobOf(const DemoCluster& cluster, const SimulatedJob& slurmJob)
/// The job that it is marked with, if that is one to be terminated.
{
    const auto job =
        std::find_if(cluster.jobs().begin(), cluster.jobs().end(), [&](const DemoJob& candidate) {
            return candidate.isToBeTerminated() && slurmJob.state != SimulatedJob::State::failed &&
                   markOf(slurmJob.comment) == candidate.mark();
        });
    return job == cluster.jobs().end() ? nullptr : &*job;
}

bool isCanceledAndOver(const DemoJob& job, JobDatabase& database, const NotificationsByJob& notifications)
/// As its user would have canceled it, with the reason in its log, and nothing else changed by the detector.
{
    const std::vector<LogRow> lines = database.logs(job.row.id);
    const std::vector<std::string> expected{"", "====================", ContractTexts::stalledLine("120"),
                                            "====================", ""};
    if (lines.size() != job.stages.size() + expected.size())
        return false;
    const std::span added = std::span(lines).last(expected.size());
    const bool areLinesRight = std::ranges::equal(added, expected, {}, &LogRow::output) &&
                               std::ranges::all_of(added, [&](const LogRow& line) {
                                   return line.stage == job.stages.back() && line.level == "error" &&
                                          line.source == "provisioner_daemon";
                               });
    const std::string payload = "{\"created_after\":" + std::to_string(added.front().id - 1) + '}';
    return areLinesRight && isNotifiedOnce(notifications, job.row.id, payload) &&
           database.isTrue(
               "SELECT j.canceled_at < j.completed_at AND j.error = 'Canceled' AND b.provisioner_state "
               "IS NULL FROM provisioner_jobs j JOIN workspace_builds b ON b.job_id = j.id "
               "WHERE j.id = $1::uuid",
               job.row.id);
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
    const std::map<std::string, JobOutcome> outcomeOf = outcomes(database, notifications);
    const auto isTerminated = [](const DemoJob& job) { return job.isToBeTerminated(); };
    const auto isTerminatedBuild = [](State state) {
        return [state](const DemoJob& job) {
            return job.isToBeTerminated() && job.build && job.expectedState == state;
        };
    };
    const auto is = [](Kind kind) { return [kind](const DemoJob& job) { return job.kind == kind; }; };
    const auto keeps = [&](const std::set<std::string>& promises) {
        return [&outcomeOf, promises](const DemoJob& job) {
            return std::ranges::none_of(outcomeOf.at(job.row.id).broken, [&](const std::string& promise) {
                return promises.contains(promise);
            });
        };
    };
    const auto isUntouched = [&](const DemoJob& job) { return outcomeOf.at(job.row.id).isUntouched; };

    check("hung, pending or ended job marked failed, with the reason", isTerminated,
          keeps({Promise::failed, Promise::completed}));
    check("five lines in its log, under its last stage", isTerminated, keeps({Promise::lines}));
    check("followers notified once, with the exact payload", isTerminated, keeps({Promise::notification}));
    check("nothing else of the job changed", isTerminated,
          keeps({Promise::otherColumns, Promise::earlierLines, Promise::build}));
    check("state copied from the previous build", isTerminatedBuild(State::copied), keeps({Promise::state}));
    check("build with a state of its own untouched", isTerminatedBuild(State::own),
          keeps({Promise::state, Promise::build}));
    check("first build, without a state, untouched", isTerminatedBuild(State::none),
          keeps({Promise::state, Promise::build}));
    check(
        "previous build of the workspace untouched",
        [&](const DemoJob& job) { return isTerminated(job) && job.previousState.has_value(); },
        keeps({Promise::previousBuild}));
    check(
        "canceled job still marked as canceled",
        [&](const DemoJob& job) { return isTerminated(job) && job.row.canceledAgo.has_value(); },
        keeps({Promise::cancellation}));
    check("healthy job running, changed by its heartbeats only", is(Kind::healthy),
          [&](const DemoJob& job) { return outcomeOf.at(job.row.id).hasOnlyReported; });
    check("job silent for less than 5 minutes untouched", is(Kind::quiet), isUntouched);
    check("job whose Slurm job is suspended untouched", is(Kind::suspended), isUntouched);
    check("waiting or completed job untouched", is(Kind::inactive), isUntouched);
    check("stalled job canceled, and then ended by its worker", is(Kind::stalled),
          [&](const DemoJob& job) { return isCanceledAndOver(job, database, notifications); });
    check(
        "nobody notified of any other job",
        [&](const DemoJob& job) { return !isTerminated(job) && job.kind != Kind::stalled; },
        [&](const DemoJob& job) { return !notifications.contains(job.row.id); });

    Effect cancelled{"Slurm job of a terminated job cancelled, with the reason"};
    Effect untouched{"any other Slurm job untouched"};
    for (SimulatedJob expected : cluster.slurmJobs()) {
        const DemoJob* const terminated = terminatedJobOf(cluster, expected);
        if (terminated != nullptr) {
            expected.state = SimulatedJob::State::cancelled;
            const bool isPending = terminated->kind == Kind::pending;
            expected.adminComment =
                (isPending ? ContractTexts{.reason = "pending", .minutes = "30"} : ContractTexts{}).error();
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
