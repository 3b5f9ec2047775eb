#include "FailedJobs.h"

#include <algorithm>

namespace HangDetection {

bool FailedJobs::add(const Termination& job, Clock::time_point now)
{
    const Error error(job.jobId, job.sqlState.empty() ? job.error : job.sqlState);
    const auto known = _reported.find(error);
    if (known != _reported.end()) {
        if (now - known->second < memory)
            return false;
        known->second = now;
        return true;
    }
    // To forget another one would be to report it again, with each run.
    if (_reported.size() >= most)
        return false;
    _reported.emplace(error, now);
    return true;
}

void FailedJobs::suspect(const JobId& job, Clock::time_point now)
{
    if (_reported.size() < most)
        _reported.try_emplace(Error(job, ""), now);
}

void FailedJobs::remove(const JobId& job)
{
    const auto first = _reported.lower_bound(Error(job, ""));
    const auto isOther = [&](const auto& error) { return error.first.first != job; };
    _reported.erase(first, std::find_if(first, _reported.end(), isOther));
}

std::vector<JobId> FailedJobs::known(Clock::time_point now)
{
    std::erase_if(_reported, [&](const auto& error) { return now - error.second >= memory; });
    std::vector<JobId> jobs;
    for (const auto& [error, reported] : _reported) {
        if (jobs.empty() || jobs.back() != error.first)
            jobs.push_back(error.first);
    }
    return jobs;
}

} // namespace HangDetection
