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
/// The jobs that were terminated within the last hour. If a worker reports or completes its job afterwards,
/// the job was alive, and its termination was wrong. Used by one thread.
{
public:
    using Clock = std::chrono::steady_clock;

    explicit TerminatedJobs(Poco::NotificationCenter& notifications) : _notifications(notifications) {}

    void add(const SeenJob& terminated, Clock::time_point now);

    bool isTakenBack(const JobId& job) const;
    /// Whether the job was terminated twice within the last hour. A cancel at the same moment can take back
    /// one termination. If the job is hung a third time, something else does that, such as a trigger.

    std::vector<SeenJob> due(std::chrono::seconds pause, Clock::time_point now);
    /// The jobs that the search of this run is to check: those of the last hour, or none when the last check
    /// was less than the pause ago.

    void reportRevived(JobStore& store);
    /// Posts JobRevived once for each job that was alive. This takes another statement, so call it only when
    /// the search found that one of the jobs was updated. Errors are left to the next run.

    void forget() { _jobs.clear(); }

    static constexpr std::chrono::hours retention{1};
    /// A worker learns of the termination by its next report, which comes within minutes.

    static constexpr std::size_t capacity = 1000;
    /// Upper limit. A trigger that takes back more terminations in an hour is logged by some of them.

    static constexpr std::size_t sampleSize = 500;
    /// Upper limit for the jobs that are checked: sample enough when thousands are terminated.

private:
    std::vector<SeenJob> sample() const;

    struct Terminated
    {
        Timestamp updatedAt;
        Clock::time_point since;
        int times = 0;
        bool isRevived = false;
    };

    Poco::NotificationCenter& _notifications;
    std::map<JobId, Terminated> _jobs;
    Clock::time_point _lastDue;
};

} // namespace HangDetection
