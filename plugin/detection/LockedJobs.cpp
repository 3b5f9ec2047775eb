#include "LockedJobs.h"

#include "notification/Notifications.h"

namespace HangDetection {

void LockedJobs::answered(const Termination& job, Clock::time_point now)
{
    if (job.outcome != Outcome::locked)
        _jobs.erase(job.jobId);
    else if (_jobs.size() < capacity || _jobs.contains(job.jobId))
        _jobs.try_emplace(job.jobId, Locked{now, now}).first->second.last = now;
}

void LockedJobs::report(JobStore& store, Clock::time_point now)
{
    // A job that completed is not tried again.
    std::erase_if(_jobs, [&](const auto& entry) { return now - entry.second.last > patience; });
    try {
        int left = mostInARun;
        for (auto& [id, job] : _jobs) {
            if (left == 0 || job.isTold || now - job.since < patience)
                continue;
            _notifications.postNotification(
                new JobLockedLong(id, std::chrono::duration_cast<std::chrono::seconds>(now - job.since),
                                  store.findLockHolder(id)));
            job.isTold = true;
            --left;
        }
    } catch (const DatabaseError&) {
        // This error does not make the run fail. If it lasts, the next run gets it.
    }
}

} // namespace HangDetection
