#include "FailedJobs.h"

#include <algorithm>
#include <set>

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
    if (_suspects.size() < mostSuspects)
        _suspects.try_emplace(job, now);
}

void FailedJobs::remove(const JobId& job)
{
    _suspects.erase(job);
    const auto first = _reported.lower_bound(Error(job, ""));
    const auto isOther = [&](const auto& error) { return error.first.first != job; };
    _reported.erase(first, std::find_if(first, _reported.end(), isOther));
}

std::vector<JobId> FailedJobs::known(Clock::time_point now)
{
    const auto isOld = [&](const auto& entry) { return now - entry.second >= memory; };
    std::erase_if(_reported, isOld);
    std::erase_if(_suspects, isOld);
    std::set<JobId> jobs;
    for (const auto& [error, reported] : _reported)
        jobs.insert(jobs.end(), error.first);
    for (const auto& [job, suspected] : _suspects)
        jobs.insert(job);
    return {jobs.begin(), jobs.end()};
}

} // namespace HangDetection
