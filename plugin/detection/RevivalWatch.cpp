#include "RevivalWatch.h"

#include "notification/Notifications.h"

namespace HangDetection {

void RevivalWatch::add(const SeenJob& terminated, Clock::time_point now)
{
    if (_watched.empty())
        _lastDue = now;
    if (_watched.size() < most)
        _watched.insert_or_assign(terminated.jobId, Watched{terminated.updatedAt, now});
}

std::vector<SeenJob> RevivalWatch::due(std::chrono::seconds pause, Clock::time_point now)
{
    if (now - _lastDue < pause)
        return {};
    // Each is looked at once more at the end of its hour.
    std::erase_if(_watched, [&](const auto& entry) { return _lastDue - entry.second.since >= memory; });
    _lastDue = now;
    return watched();
}

void RevivalWatch::tell(JobStore& store)
{
    try {
        for (const RevivedJob& job : store.findRevived(watched())) {
            _watched.erase(job.jobId);
            _notifications.postNotification(new JobRevived(job));
        }
    } catch (const DatabaseError&) {
        // The run is a good one all the same, and an error that lasts is met by the next.
    }
}

std::vector<SeenJob> RevivalWatch::watched() const
{
    std::vector<SeenJob> jobs;
    jobs.reserve(_watched.size());
    for (const auto& [job, watch] : _watched)
        jobs.push_back({job, watch.updatedAt});
    return jobs;
}

} // namespace HangDetection
