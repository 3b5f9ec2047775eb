#pragma once

#include "data/Job.h"
#include "data/JobStore.h"

#include <Poco/NotificationCenter.h>

#include <chrono>
#include <cstddef>
#include <map>

namespace HangDetection {

class RevivalWatch
/// Looks whether terminated jobs were alive after all: a worker that reports, or completes its
/// job, afterwards shows that the job was terminated wrongly. Used by one thread.
{
public:
    using Clock = JobStore::Clock;

    explicit RevivalWatch(Poco::NotificationCenter& notifications) : _notifications(notifications) {}

    void add(const JobId& terminated, Clock::time_point now);

    void look(JobStore& store, std::chrono::seconds pause, Clock::time_point now);
    /// By one statement for all jobs that were terminated within the last hour, unless there are
    /// none, or the last look is not so long ago. Each that was touched is posted once, as
    /// JobRevived. What keeps the database from answering is for the next run to tell.

    static constexpr std::chrono::hours memory{1};
    /// A worker whose job is terminated learns it by its next report, minutes later at most.

    static constexpr std::size_t most = 500;
    /// Many more than terminate in an ordinary hour. More of them are not watched: when thousands are
    /// terminated, so many tell as well how many were alive.

private:
    Poco::NotificationCenter& _notifications;
    std::map<JobId, Clock::time_point> _terminated;
    /// When each was.
    Clock::time_point _lastLook;
};

} // namespace HangDetection
