#include "JobAllocations.h"

#include "notification/Notifications.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace HangDetection {

JobAllocations::JobAllocations(std::unique_ptr<Scheduler> scheduler, Poco::NotificationCenter& notifications)
    : _scheduler(std::move(scheduler)), _notifications(notifications)
{}

void JobAllocations::enable(bool isEnabled)
{
    const bool wasEnabled = std::exchange(_isEnabled, isEnabled);
    _isUnfinished = _isUnfinished || (isEnabled && !wasEnabled);
}

bool JobAllocations::isDue() const
{
    return isAsked() && (_isUnfinished || _mayBeMarked || _scheduler->marksSeen() != _marksSeen);
}

std::set<JobId> JobAllocations::askForSuspended(std::chrono::seconds threshold, const RunLimit& limit)
{
    if (!isAsked())
        return {};
    _isUnfinished = true;
    const bool isAnswered = ask(limit);
    const auto now = Clock::now();
    std::set<JobId> marked;
    for (const SchedulerJob& job : _marked) {
        marked.insert(job.markedWith);
        // Slurm does not record when a signal stops or continues a job, so the time of the question counts.
        const auto left = job.isSuspended ? threshold : threshold - job.resumedAgo.value_or(threshold);
        auto& until = _suspendedUntil[job.markedWith];
        until = std::max(until, now + left);
    }

    std::set<JobId> jobs;
    for (const JobId& job : suspended()) {
        // A Slurm job that has ended explains no silence any more.
        if (!isAnswered || marked.contains(job))
            jobs.insert(job);
    }
    return jobs;
}

std::vector<JobId> JobAllocations::suspended()
{
    if (!isAsked())
        return {};
    const auto now = Clock::now();
    std::erase_if(_suspendedUntil, [&](const auto& entry) { return entry.second <= now; });
    std::vector<JobId> jobs;
    jobs.reserve(_suspendedUntil.size());
    for (const auto& [job, until] : _suspendedUntil)
        jobs.push_back(job);
    return jobs;
}

std::vector<JobId> JobAllocations::marked() const
{
    if (!isAsked() || _isUnknown)
        return {};
    std::set<JobId> jobs;
    for (const SchedulerJob& job : _marked)
        jobs.insert(job.markedWith);
    return {jobs.begin(), jobs.end()};
}

RunLimit JobAllocations::patientLimit(const RunLimit& limit)
{
    return limit.within(std::min<Clock::duration>(patience, (limit.deadline - Clock::now()) / 2));
}

bool JobAllocations::ask(const RunLimit& limit)
{
    _marked.clear();
    // Slurm lists a job a moment after its mark is seen. So the number is read before the question.
    const auto seenBefore = std::exchange(_marksSeen, _scheduler->marksSeen());
    try {
        _marked = _scheduler->markedJobs(patientLimit(limit));
        _mayBeMarked = !_marked.empty() || _marksSeen != seenBefore;
        std::erase_if(_marked, std::mem_fn(&SchedulerJob::hasEnded));
        // Waiting jobs come first: otherwise they would start on the nodes that the other releases free.
        std::stable_partition(_marked.begin(), _marked.end(), std::mem_fn(&SchedulerJob::isWaiting));
        if (std::exchange(_isUnknown, false))
            _notifications.postNotification(new AllocationsKnown);
    } catch (const SchedulerError& error) {
        if (limit.stop.stop_requested())
            throw RunStopped();
        if (!std::exchange(_isUnknown, true))
            _notifications.postNotification(new AllocationsUnknown(error.what()));
    }
    return !_isUnknown;
}

void JobAllocations::release(const std::map<JobId, std::string>& terminated, const RunLimit& limit)
{
    if (!isAsked() || _isUnknown)
        return;
    const RunLimit patient = patientLimit(limit);
    bool isAllReleased = true;
    for (const SchedulerJob& job : _marked) {
        const auto reason = terminated.find(job.markedWith);
        if (reason == terminated.end())
            continue;
        if (patient.isReached())
            return;
        try {
            const bool isReleased = _scheduler->release(job, reason->second, patient);
            if (isReleased)
                _notifications.postNotification(new AllocationReleased(job.markedWith, job.name));
            // The scheduler's next answer names the rest of an array, and has the new name of a job.
            isAllReleased = isAllReleased && isReleased && !job.isPart;
        } catch (const SchedulerError& error) {
            if (limit.stop.stop_requested())
                return;
            isAllReleased = false;
            const bool isNew = _kept.insert(job.name).second;
            _notifications.postNotification(
                new AllocationKept(job.markedWith, job.name, error.what(), !isNew));
        }
    }
    if (isAllReleased) {
        _isUnfinished = false;
        _kept.clear();
    }
}

} // namespace HangDetection
