#include "SchedulerEvidence.h"

#include "notification/Notifications.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace HangDetection {

bool SchedulerEvidence::isDue() const
{
    return (_memory.allocations.isDue() || _memory.workerEnds.isAnyKnown()) &&
           (!_memory.settings.dryRun || areEndsSought());
}

void SchedulerEvidence::ask(bool isAnySilent, const RunLimit& limit)
{
    _memory.allocations.ask(limit);
    _memory.workerEnds.learn(_memory.allocations.trusted(), _memory.settings.hungJobDuration, Clock::now());
    _marked = findMarked(isAnySilent);
    _memory.allocations.learn(
        _marked, std::max(_memory.settings.hungJobDuration, _memory.settings.stalledJobDuration));
}

std::vector<MarkedJob> SchedulerEvidence::findMarked(bool isAnySilent)
/// When a Slurm job has ended, the jobs that it may have run, and when jobs are silent, those of all daemons.
{
    std::vector<MarkedJob> marked = _memory.store->findMarked(_memory.workerEnds.jobs());
    std::vector<std::string> names = _memory.workerEnds.daemons();
    if (isAnySilent)
        std::ranges::copy(_memory.allocations.daemons(), std::back_inserter(names));
    for (const MarkedJob& job : findJobsOf(names)) {
        // It may have a Slurm job of its own, too.
        MarkedJob byId = job;
        byId.mark = {Mark::Kind::job, job.job.jobId};
        marked.push_back(job);
        marked.push_back(std::move(byId));
    }
    return marked;
}

std::vector<MarkedJob> SchedulerEvidence::findJobsOf(const std::vector<std::string>& daemons)
{
    // Each attempt is an error in the server's log, too.
    if (_memory.unknownDaemons.isRecent(Clock::now()))
        return {};
    try {
        return _memory.store->findJobsOf(daemons);
    } catch (const DatabaseError& error) {
        if (!error.isObjectMissing())
            throw;
        _memory.unknownDaemons.add(Clock::now());
        _memory.notifications.postNotification(new DaemonsUnknown(error.what()));
        return {};
    }
}

std::int64_t SchedulerEvidence::judgeEnds(std::chrono::seconds lag)
{
    const auto duration = areEndsSought() ? _memory.settings.endedJobDuration : WorkerEnds::tolerance;
    _ends = _memory.workerEnds.judge(_marked, duration, lag, Clock::now());
    const auto explained = static_cast<std::int64_t>(_ends.explained.size());
    if (!areEndsSought()) {
        for (const SeenJob& job : std::exchange(_ends, {}).dead) {
            if (_memory.withoutAllocation.add(job.jobId, Clock::now()))
                _memory.notifications.postNotification(new JobWithoutAllocation(job));
        }
    }
    return explained;
}

std::optional<std::int64_t> SchedulerEvidence::release(const std::map<JobId, std::string>& hung,
                                                       const RunLimit& limit)
{
    std::map<Mark, JobAllocations::Release> over;
    std::set<JobId> longOver;
    for (const CompletedJob& job : _memory.store->findCompleted(_memory.allocations.marked())) {
        if (!job.terminated.empty())
            over.emplace(Mark{Mark::Kind::job, job.jobId}, JobAllocations::Release{job.terminated});
        if (job.since >= _memory.settings.hungJobDuration)
            longOver.insert(job.jobId);
    }
    std::vector<std::string> daemons;
    for (const MarkedJob& job : _marked) {
        const auto error = hung.find(job.job.jobId);
        if (error == hung.end() || job.mark.kind != Mark::Kind::daemon)
            continue;
        // Of several jobs of a daemon it runs the one that reported last.
        auto& release =
            over.try_emplace(job.mark, JobAllocations::Release{error->second, job.silent}).first->second;
        release.silent = std::min(release.silent, std::optional(job.silent));
        daemons.push_back(job.mark.text);
    }
    // A daemon may have taken another job meanwhile.
    for (const MarkedJob& job : findJobsOf(daemons))
        over.erase(job.mark);
    _memory.allocations.release(over, limit);
    return _memory.allocations.tellLeftover(longOver);
}

std::optional<SchedulerEvidence::Clock::duration> SchedulerEvidence::untilNextLook() const
/// Also without a marked job, as one may be submitted and end at any moment.
{
    if (!areEndsSought())
        return std::nullopt;
    const Clock::duration apart =
        Clock::duration(_memory.settings.endedJobDuration) / WorkerEnds::looksInDuration;
    return std::min(_ends.next.value_or(apart), apart);
}

} // namespace HangDetection
