#include "PreviewedJobs.h"

namespace HangDetection {

bool PreviewedJobs::add(const JobId& job, Clock::time_point now)
{
    const auto known = _told.find(job);
    if (known != _told.end()) {
        if (now - known->second < memory)
            return false;
        known->second = now;
        return true;
    }
    // To forget another one would be to tell it again, with each run.
    if (_told.size() >= most)
        return false;
    _told.emplace(job, now);
    return true;
}

std::vector<JobId> PreviewedJobs::known(Clock::time_point now)
{
    std::erase_if(_told, [&](const auto& entry) { return now - entry.second >= memory; });
    std::vector<JobId> jobs;
    jobs.reserve(_told.size());
    for (const auto& [job, told] : _told)
        jobs.push_back(job);
    return jobs;
}

} // namespace HangDetection
