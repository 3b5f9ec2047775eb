#include "TerminatedJobs.h"

#include "notification/Notifications.h"

namespace HangDetection {

void TerminatedJobs::add(const SeenJob& terminated, Clock::time_point now)
{
    if (_jobs.empty())
        _lastDue = now;
    if (_jobs.size() < capacity)
        _jobs.insert_or_assign(terminated.jobId, Terminated{terminated.updatedAt, now});
}

std::vector<SeenJob> TerminatedJobs::due(std::chrono::seconds pause, Clock::time_point now)
{
    if (now - _lastDue < pause)
        return {};
    // Each job is checked once more at the end of its hour, before it is removed.
    std::erase_if(_jobs, [&](const auto& entry) { return _lastDue - entry.second.since >= retention; });
    _lastDue = now;
    return all();
}

void TerminatedJobs::reportRevived(JobStore& store)
{
    try {
        for (const RevivedJob& job : store.findRevived(all())) {
            _notifications.postNotification(new JobRevived(job));
            _jobs.erase(job.jobId);
        }
    } catch (const DatabaseError&) {
        // This error does not make the run fail. If it lasts, the next run gets it.
    }
}

std::vector<SeenJob> TerminatedJobs::all() const
{
    std::vector<SeenJob> jobs;
    jobs.reserve(_jobs.size());
    for (const auto& [id, job] : _jobs)
        jobs.push_back({id, job.updatedAt});
    return jobs;
}

} // namespace HangDetection
