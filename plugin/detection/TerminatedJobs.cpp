#include "TerminatedJobs.h"

#include "notification/Notifications.h"

namespace HangDetection {

void TerminatedJobs::add(const SeenJob& terminated, Clock::time_point now)
{
    if (_jobs.empty())
        _lastDue = now;
    if (_jobs.size() >= capacity && !_jobs.contains(terminated.jobId))
        return;
    Terminated& job = _jobs[terminated.jobId];
    job = {terminated.updatedAt, now, job.times + 1};
}

bool TerminatedJobs::isTakenBack(const JobId& job) const
{
    const auto known = _jobs.find(job);
    return known != _jobs.end() && known->second.times >= 2;
}

std::vector<SeenJob> TerminatedJobs::due(std::chrono::seconds pause, Clock::time_point now)
{
    if (now - _lastDue < pause)
        return {};
    // Each job is checked once more at the end of its hour, before it is removed.
    std::erase_if(_jobs, [&](const auto& entry) { return _lastDue - entry.second.since >= retention; });
    _lastDue = now;
    return sample();
}

void TerminatedJobs::reportRevived(JobStore& store)
{
    try {
        for (const RevivedJob& job : store.findRevived(sample())) {
            _notifications.postNotification(new JobRevived(job));
            if (const auto known = _jobs.find(job.jobId); known != _jobs.end())
                known->second.isRevived = true;
        }
    } catch (const DatabaseError&) {
        // This error does not make the run fail. If it lasts, the next run gets it.
    }
}

std::vector<SeenJob> TerminatedJobs::sample() const
{
    std::vector<SeenJob> jobs;
    for (const auto& [id, job] : _jobs) {
        if (jobs.size() == sampleSize)
            break;
        if (!job.isRevived)
            jobs.push_back({id, job.updatedAt});
    }
    return jobs;
}

} // namespace HangDetection
