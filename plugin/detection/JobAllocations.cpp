#include "JobAllocations.h"

#include "notification/Notifications.h"

#include <algorithm>
#include <utility>

namespace HangDetection {

JobAllocations::JobAllocations(std::unique_ptr<Allocations> slurm, Poco::NotificationCenter& notifications)
    : _slurm(std::move(slurm)), _notifications(notifications)
{}

std::set<JobId> JobAllocations::askForExplained(bool areJobsHung, std::chrono::seconds threshold)
{
    _marked.clear();
    if (!areJobsHung && !_isUnfinished)
        return {};
    _isUnfinished = true;
    ask();

    const auto now = Clock::now();
    std::set<JobId> explained;
    for (const Allocation& allocation : _marked) {
        if (allocation.isPaused)
            _lastPaused[allocation.markedWith] = now;
        // Slurm keeps no time of a signal that stops or continues a job.
        const auto seen = _lastPaused.find(allocation.markedWith);
        const bool wasPaused = seen != _lastPaused.end() && now - seen->second < threshold;
        if (wasPaused || allocation.explainsSilence(threshold))
            explained.insert(allocation.markedWith);
    }
    return explained;
}

std::vector<JobId> JobAllocations::lastPaused(std::chrono::seconds threshold)
{
    const auto now = Clock::now();
    std::erase_if(_lastPaused, [&](const auto& entry) { return now - entry.second >= threshold; });
    std::vector<JobId> jobs;
    for (const auto& [job, seen] : _lastPaused)
        jobs.push_back(job);
    return jobs;
}

void JobAllocations::ask()
{
    try {
        _marked = _slurm->marked();
        if (std::exchange(_isUnknown, false))
            _notifications.postNotification(new AllocationsKnown);
    } catch (const AllocationError& error) {
        if (!std::exchange(_isUnknown, true))
            _notifications.postNotification(new AllocationsUnknown(error.what()));
    }
}

void JobAllocations::release(JobStore& store, const std::stop_token& stop, Clock::time_point deadline)
{
    if (!_isUnfinished || _isUnknown)
        return;
    std::set<JobId> jobs;
    for (const Allocation& allocation : _marked)
        jobs.insert(allocation.markedWith);
    const std::map<JobId, std::string> terminated = store.findTerminated({jobs.begin(), jobs.end()});

    bool isAllReleased = true;
    for (const Allocation& allocation : _marked) {
        const auto job = terminated.find(allocation.markedWith);
        if (job == terminated.end())
            continue;
        if (stop.stop_requested() || Clock::now() >= deadline)
            return;
        try {
            _slurm->release(allocation, job->second);
            _kept.erase(allocation.slurmJob);
            _notifications.postNotification(new AllocationReleased(job->first, allocation.slurmJob));
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
