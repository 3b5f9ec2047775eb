#include "JobAllocations.h"

#include "data/DatabaseError.h"
#include "notification/Notifications.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace HangDetection {

JobAllocations::JobAllocations(std::unique_ptr<Allocations> slurm, Poco::NotificationCenter& notifications)
    : _slurm(std::move(slurm)), _notifications(notifications)
{}

void JobAllocations::enable(bool isEnabled)
{
    const bool wasEnabled = std::exchange(_isEnabled, isEnabled);
    _isUnfinished = _isUnfinished || (isEnabled && !wasEnabled);
}

bool JobAllocations::isDue() const
{
    return isAsked() && (_isUnfinished || _mayBeMarked || _slurm->marksSeen() != _marksSeen);
}

std::set<JobId> JobAllocations::askForExplained(std::chrono::seconds threshold, const std::stop_token& stop,
                                                Clock::time_point deadline)
{
    if (!isAsked())
        return {};
    _isUnfinished = true;
    const bool isAnswered = ask(stop, deadline);
    const auto now = Clock::now();
    std::set<JobId> marked;
    for (const Allocation& allocation : _marked) {
        marked.insert(allocation.markedWith);
        // Slurm keeps no time of a signal that stops or continues a job, so that it was seen counts.
        const auto left =
            allocation.isPaused ? threshold : threshold - allocation.resumedAgo.value_or(threshold);
        auto& until = _explainedUntil[allocation.markedWith];
        until = std::max(until, now + left);
    }

    std::set<JobId> jobs;
    for (const JobId& job : explained()) {
        // A Slurm job that has ended explains nothing any more.
        if (!isAnswered || marked.contains(job))
            jobs.insert(job);
    }
    return jobs;
}

std::vector<JobId> JobAllocations::explained()
{
    if (!isAsked())
        return {};
    const auto now = Clock::now();
    std::erase_if(_explainedUntil, [&](const auto& entry) { return entry.second <= now; });
    std::vector<JobId> jobs;
    jobs.reserve(_explainedUntil.size());
    for (const auto& [job, until] : _explainedUntil)
        jobs.push_back(job);
    return jobs;
}

JobAllocations::Clock::time_point JobAllocations::patientUntil(Clock::time_point deadline)
{
    const auto now = Clock::now();
    return now + std::min<Clock::duration>(patience, (deadline - now) / 2);
}

bool JobAllocations::ask(const std::stop_token& stop, Clock::time_point deadline)
{
    _marked.clear();
    // A job is marked a moment before Slurm lists it.
    const auto seenBefore = std::exchange(_marksSeen, _slurm->marksSeen());
    try {
        _marked = _slurm->marked(stop, patientUntil(deadline));
        _mayBeMarked = !_marked.empty() || _marksSeen != seenBefore;
        std::erase_if(_marked, std::mem_fn(&Allocation::hasEnded));
        // What is released makes room in which those that wait would start.
        std::stable_partition(_marked.begin(), _marked.end(), std::mem_fn(&Allocation::isWaiting));
        if (std::exchange(_isUnknown, false))
            _notifications.postNotification(new AllocationsKnown);
    } catch (const AllocationError& error) {
        if (stop.stop_requested())
            throw RunStopped();
        if (!std::exchange(_isUnknown, true))
            _notifications.postNotification(new AllocationsUnknown(error.what()));
    }
    return !_isUnknown;
}

void JobAllocations::release(JobStore& store, const std::stop_token& stop, Clock::time_point deadline)
{
    if (!isAsked() || _isUnknown)
        return;
    std::set<JobId> jobs;
    for (const Allocation& allocation : _marked)
        jobs.insert(allocation.markedWith);
    const std::map<JobId, std::string> terminated = store.findTerminated({jobs.begin(), jobs.end()});

    const auto until = patientUntil(deadline);
    bool isAllReleased = true;
    for (const Allocation& allocation : _marked) {
        const auto job = terminated.find(allocation.markedWith);
        if (job == terminated.end())
            continue;
        if (stop.stop_requested() || Clock::now() >= until)
            return;
        try {
            const bool isReleased = _slurm->release(allocation, job->second);
            if (isReleased)
                _notifications.postNotification(new AllocationReleased(job->first, allocation.slurmJob));
            // What has another name now, and the rest of an array, is named by the next answer.
            isAllReleased = isAllReleased && isReleased && !allocation.isPart;
        } catch (const AllocationError& error) {
            isAllReleased = false;
            const bool isNew = _kept.insert(allocation.slurmJob).second;
            _notifications.postNotification(
                new AllocationKept(job->first, allocation.slurmJob, error.what(), !isNew));
        }
    }
    if (isAllReleased) {
        _isUnfinished = false;
        _kept.clear();
    }
}

} // namespace HangDetection
