#pragma once

#include "data/Job.h"
#include "data/JobStore.h"

#include <Poco/NotificationCenter.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <span>
#include <vector>

namespace HangDetection {

class CanceledJobs
/// The jobs that were canceled as stalled, until they are over: a worker that learns of the cancel completes
/// its job within minutes. Also those whose answers were lost, until the database says whether they are
/// canceled. Used by one thread, which passes the time.
{
public:
    using Clock = std::chrono::steady_clock;

    explicit CanceledJobs(Poco::NotificationCenter& notifications) : _notifications(notifications) {}

    void expect(std::span<const StalledJob> jobs, Clock::time_point mayWorkUntil);
    /// Call it before the jobs are sent. The server ends their statement by that time, even when the
    /// connection is gone.

    void answered(const Termination& job);
    /// Call it when the answer is reported.

    void settled() { _sent.clear(); }
    /// The last jobs that were sent, and are not answered, are untouched.

    void forget();
    /// For another database, or when no job is canceled any more.

    void report(JobStore& store, std::chrono::seconds patience, std::chrono::seconds threshold,
                Clock::time_point now);
    /// Asks the database what became of the jobs, if there are any; the first time also for jobs that an
    /// earlier detector has canceled. Posts CancelFollowed for each that its worker has completed,
    /// CancelIgnored, once, for each that still reports when the patience is over, and JobCanceled, with the
    /// threshold, for each whose answer was lost. Jobs that are silent are left to the search. Throws
    /// DatabaseError.

    static constexpr std::size_t capacity = 1000;
    /// Upper limit. What becomes of more canceled jobs is not logged.

private:
    struct Watched
    {
        StalledJob job;
        Clock::time_point mayWorkUntil;
        bool isAnswered = false;
    };

    void watch(const Watched& job);
    void takeOverSent();
    bool isToBeWatched(Watched& watched, const CanceledJob& job, std::chrono::seconds threshold,
                       Clock::time_point now);

    Poco::NotificationCenter& _notifications;
    std::map<JobId, Watched> _jobs;
    std::vector<Watched> _sent;
    /// By the last statement, and not answered.
    bool _isNew = true;
};

} // namespace HangDetection
