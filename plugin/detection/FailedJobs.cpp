#include "FailedJobs.h"

namespace HangDetection {

bool FailedJobs::add(const Termination& job, Clock::time_point now)
{
    return _errors.add(
        {job.jobId, (job.isCancel ? "cancel: " : "") + (job.sqlState.empty() ? job.error : job.sqlState)},
        now);
}

void FailedJobs::remove(const JobId& job)
{
    _suspects.remove(job, [&](const JobId& suspect) { return suspect == job; });
    _errors.remove({job, ""}, [&](const auto& error) { return error.first == job; });
}

std::set<JobId> FailedJobs::known(Clock::time_point now)
{
    std::set<JobId> jobs;
    for (const auto& [error, added] : _errors.known(now))
        jobs.insert(jobs.end(), error.first);
    for (const auto& [job, added] : _suspects.known(now))
        jobs.insert(job);
    return jobs;
}

} // namespace HangDetection
