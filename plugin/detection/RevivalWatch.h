#pragma once

#include "data/Job.h"
#include "data/JobStore.h"

#include <Poco/NotificationCenter.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <vector>

namespace HangDetection {

class RevivalWatch
/// Looks whether terminated jobs were alive after all: a worker that reports, or completes its
/// job, afterwards shows that the job was terminated wrongly. Used by one thread.
{
public:
    using Clock = std::chrono::steady_clock;

    explicit RevivalWatch(Poco::NotificationCenter& notifications) : _notifications(notifications) {}

    void add(const SeenJob& terminated, Clock::time_point now);

    std::vector<SeenJob> due(std::chrono::seconds pause, Clock::time_point now);
    /// Those that the search of this run is to look at: all that were terminated within the last hour,
    /// or none when the last ones were due less than the pause ago.

    void tell(JobStore& store);
    /// By a statement of its own, so only after a search that found one touched. Each that is so is
    /// posted once, as JobRevived. What keeps the database from answering is for the next run to tell.

    static constexpr std::chrono::hours memory{1};
    /// A worker whose job is terminated learns it by its next report, minutes later at most.

    static constexpr std::size_t most = 500;
    /// Many more than terminate in an ordinary hour. More of them are not watched: when thousands are
    /// terminated, so many tell as well how many were alive.

private:
    Poco::NotificationCenter& _notifications;
    std::vector<SeenJob> watched() const;

    struct Watched
    {
        std::chrono::microseconds updatedAt;
        Clock::time_point since;
    };

    std::map<JobId, Watched> _watched;
    Clock::time_point _lastDue;
};

} // namespace HangDetection
