#pragma once

#include "data/Job.h"
#include "data/JobStore.h"

#include <Poco/NotificationCenter.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <vector>

namespace HangDetection {

class TerminatedJobs
/// The jobs that were terminated within the last hour. A worker that reports, or completes its job,
/// afterwards shows that the job was alive, and was terminated wrongly. Used by one thread.
{
public:
    using Clock = std::chrono::steady_clock;

    explicit TerminatedJobs(Poco::NotificationCenter& notifications) : _notifications(notifications) {}

    void add(const SeenJob& terminated, Clock::time_point now);

    std::vector<SeenJob> due(std::chrono::seconds pause, Clock::time_point now);
    /// Those that the search of this run is to look at: all of the last hour, or none when the last ones
    /// were due less than the pause ago.

    void reportRevived(JobStore& store);
    /// Posts each that was alive once, as JobRevived. Takes a statement of its own, so it is for a search
    /// that found one of them updated. Errors are left to the next run.

    static constexpr std::chrono::hours retention{1};
    /// A worker whose job is terminated learns it by its next report, minutes later at most.

    static constexpr std::size_t capacity = 500;
    /// Upper limit. 500 is sample enough when thousands are terminated.

private:
    std::vector<SeenJob> all() const;

    struct Terminated
    {
        std::chrono::microseconds updatedAt;
        Clock::time_point since;
    };

    Poco::NotificationCenter& _notifications;
    std::map<JobId, Terminated> _jobs;
    Clock::time_point _lastDue;
};

} // namespace HangDetection
