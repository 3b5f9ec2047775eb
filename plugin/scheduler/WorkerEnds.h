#pragma once

#include "Scheduler.h"
#include "data/Job.h"

#include <Poco/NotificationCenter.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace HangDetection {

class WorkerEnds
/// What the ends of the scheduler's jobs prove about the provisioner jobs that they ran. Used by one thread,
/// which passes the time.
///
/// A provisioner job is dead when each job of the scheduler that is marked with it or with its daemon, and
/// that ran while it reported, has ended, and it has been silent since. Only an end that the scheduler states
/// counts: a job that is not listed any more may run. What reports is alive, whatever its mark says.
///
/// The scheduler, the database and Coder's server have clocks of their own. So their times are never
/// compared, only how long ago each was. Silence is seen, too: two looks find the same updated_at.
{
public:
    using Clock = std::chrono::steady_clock;

    explicit WorkerEnds(Poco::NotificationCenter& notifications) : _notifications(notifications) {}

    void learn(const std::vector<SchedulerJob>& listed, std::chrono::seconds retention,
               Clock::time_point now);
    /// Call it with the marked jobs of trusted users, as the scheduler lists them. An end is known for so
    /// long after it, even if the scheduler forgets the job sooner.

    void forget();
    /// For other trusted users.

    bool isAnyKnown() const;
    /// Whether a job has ended that is not forgotten yet.

    std::vector<JobId> jobs() const;
    /// The provisioner jobs that a job that has ended is marked with.

    std::vector<std::string> daemons() const;
    /// The daemons of all known jobs, if any job has ended. One that runs may run the provisioner job, too.

    struct Verdict
    {
        std::vector<SeenJob> dead;
        std::vector<MarkedJob> explained;
        /// The jobs whose silence the ends explain: those that are dead, or will be unless they report.
        std::optional<Clock::duration> next;
        /// When the next one is dead.
    };

    Verdict judge(std::span<const MarkedJob> running, std::chrono::seconds duration, std::chrono::seconds lag,
                  Clock::time_point now);
    /// Judges the running jobs with those marks. One is dead when looks have seen it silent for the duration,
    /// and it has been so by the clock that stamps its heartbeats, for the duration and the lag. Posts
    /// WorkerOutlivedItsEnd once for each job that reports after the end.

    static constexpr std::chrono::seconds tolerance{5};
    /// Two times that are compared by how long ago they were may be so far apart: the scheduler's are whole
    /// seconds, and its answer and that of the database come one after the other.

    static constexpr std::chrono::seconds unnoticedLag{30};
    /// The clock that stamps the heartbeats may be behind by so much before that is noticed (ClockLag.h).

    static constexpr int looksInDuration = 3;
    /// Looks come so often in the duration. So an end is known after a third of it, and a job is dead after
    /// four thirds.

    static constexpr std::size_t capacity = 20000;
    /// Upper limit for the jobs of the scheduler. More are left to their silence.

private:
    struct Known
    {
        SchedulerJob job;
        Clock::time_point learned;
    };

    struct Watched
    {
        Timestamp updatedAt;
        Clock::time_point since;
        std::string schedulerJob;
        /// The one that ended last.
        bool isAlive = false;
    };

    using KnownByMark = std::multimap<Mark, const Known*>;

    static const Known* endOf(std::span<const MarkedJob> marks, const KnownByMark& known,
                              Clock::time_point now);

    Poco::NotificationCenter& _notifications;
    std::map<std::string, Known> _jobs;
    /// By their names.
    std::map<JobId, Watched> _watched;
};

} // namespace HangDetection
