#include "RevivalWatch.h"

#include "notification/Notifications.h"

#include <vector>

namespace HangDetection {

void RevivalWatch::add(const JobId& terminated, Clock::time_point now)
{
    if (_terminated.empty())
        _lastLook = now;
    if (_terminated.size() < most)
        _terminated.emplace(terminated, now);
}

void RevivalWatch::look(JobStore& store, std::chrono::seconds pause, Clock::time_point now)
{
    if (_terminated.empty() || now - _lastLook < pause)
        return;
    _lastLook = now;

    std::vector<JobId> jobs;
    for (const auto& [job, when] : _terminated)
        jobs.push_back(job);
    try {
        for (const RevivedJob& job : store.findRevived(jobs)) {
            _terminated.erase(job.jobId);
            _notifications.postNotification(new JobRevived(job));
        }
    } catch (const DatabaseError&) {
        // The run is a good one all the same, and an error that lasts is met by the next.
        return;
    }
    // After the look, so that each job has one at the end of its hour.
    std::erase_if(_terminated, [&](const auto& entry) { return now - entry.second >= memory; });
}

} // namespace HangDetection
