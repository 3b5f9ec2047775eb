#pragma once

#include "data/Job.h"
#include "data/JobStore.h"

#include <Poco/NotificationCenter.h>

#include <chrono>
#include <cstddef>
#include <map>

namespace HangDetection {

class LockedJobs
/// Hung jobs that another session has locked. A detector locks a job for a moment. A lock that lasts keeps
/// the job from ever being terminated, and any role may take the advisory lock. Used by one thread, which
/// passes the time.
{
public:
    using Clock = std::chrono::steady_clock;

    explicit LockedJobs(Poco::NotificationCenter& notifications) : _notifications(notifications) {}

    void answered(const Termination& job, Clock::time_point now);
    /// Call it with the outcome of each termination.

    void report(JobStore& store, Clock::time_point now);
    /// Posts JobLockedLong, once, for each job that has been locked for an hour. Errors leave it to the next
    /// run.

    static constexpr std::chrono::hours patience{1};

    static constexpr std::size_t capacity = 1000;
    /// Upper limit. More locked jobs have one cause.

    static constexpr int mostInARun = 10;
    /// Each takes a round trip. The others are left to the next runs.

private:
    struct Locked
    {
        Clock::time_point since;
        Clock::time_point last;
        bool isTold = false;
    };

    Poco::NotificationCenter& _notifications;
    std::map<JobId, Locked> _jobs;
};

} // namespace HangDetection
