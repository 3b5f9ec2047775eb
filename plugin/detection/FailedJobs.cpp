#include "FailedJobs.h"

#include <algorithm>

namespace HangDetection {

bool FailedJobs::add(const Termination& job, Clock::time_point now)
{
    forgetOld(now);
    const auto error = std::pair(job.jobId, job.sqlState.empty() ? job.error : job.sqlState);
    if (_reported.contains(error))
        return false;
    if (_reported.size() >= most) {
        _reported.erase(std::min_element(_reported.begin(), _reported.end(),
                                         [](const auto& a, const auto& b) { return a.second < b.second; }));
    }
    _reported.emplace(error, now);
    return true;
}

void FailedJobs::remove(const JobId& job)
{
    std::erase_if(_reported, [&](const auto& error) { return error.first.first == job; });
}

std::vector<JobId> FailedJobs::known(Clock::time_point now)
{
    forgetOld(now);
    std::vector<JobId> jobs;
    for (const auto& [error, reported] : _reported) {
        if (jobs.empty() || jobs.back() != error.first)
            jobs.push_back(error.first);
    }
    return jobs;
}

void FailedJobs::forgetOld(Clock::time_point now)
{
    std::erase_if(_reported, [&](const auto& error) { return now - error.second >= memory; });
}

} // namespace HangDetection
