#pragma once

#include "Memory.h"
#include "RunLimit.h"
#include "SchedulerEvidence.h"
#include "Stalls.h"
#include "data/DatabaseError.h"
#include "data/Job.h"
#include "notification/Notifications.h"

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <vector>

namespace HangDetection {

class Run
/// One run of the detector, from the search to the release of allocations. It ends early at a stop, after
/// RunTimeout, and on an error that every job would get. Used once, by the detector's thread.
{
public:
    Run(Memory& memory, const std::stop_token& stop);
    /// RunTimeout starts here. The memory must outlive the run.

    RunStatistics carryOut();
    /// Always posts RunFinished at its end.

    static constexpr std::size_t batchSize = 500;
    /// Upper limit for the jobs of one statement. Each job takes an advisory lock until the statement ends,
    /// and a server with default settings has room for about 6,000 locks in all. A statement of this size
    /// takes about 50 ms, in which no other session can write its jobs. The time grows with the number of
    /// jobs (tests/benchmark).

    static constexpr std::chrono::seconds leastPause{1};
    /// The shortest pause between two runs when nothing failed.

private:
    using Clock = RunLimit::Clock;
    using Milliseconds = std::chrono::milliseconds;

    void work();
    void askForLostAnswers();
    std::vector<SeenJob> look();
    FoundJobs search(const JobStore::Search& search);
    std::vector<SeenJob> lookAgain();
    bool judgeClock(std::optional<Milliseconds> heartbeatAge, Clock::time_point earlierLook);
    void askScheduler(bool isAnySilent);
    JobCounts countsWithoutEnded() const;
    bool judgeMassHang();
    void sharePlaces(std::vector<SeenJob>& jobs, std::vector<StalledJob>& stalled);
    std::optional<Clock::duration> untilThresholdsChange() const;
    void dropSuspended(std::vector<SeenJob>& jobs, std::vector<StalledJob>& stalled);
    void dropTakenBack(std::vector<SeenJob>& jobs);
    void preview(const std::vector<SeenJob>& jobs, const std::vector<StalledJob>& stalled);
    void terminate(std::vector<SeenJob> jobs);
    void cancel(std::vector<StalledJob> jobs);
    void report(const Termination& job);
    void reportTerminated(const Termination& job);
    void reportCanceled(const Termination& job);
    void tellTerminated(const Termination& job, std::chrono::seconds threshold);
    RunError errorFrom(const DatabaseError& raised) const;
    void conclude();
    std::optional<Milliseconds> nextPause();
    std::optional<Milliseconds> pauseUntilHang() const;
    Thresholds thresholds() const;

    template <typename Job, typename Predicate>
    void drop(std::vector<Job>& jobs, Predicate predicate, Outcome outcome);

    template <typename Job>
    void blame(std::span<const Job> batch, const DatabaseError& error, bool haveOthersSucceeded);

    template <typename Job, typename Action>
    void inTurn(std::vector<Job> jobs, Action action);

    template <typename Job, typename Action>
    void inBatches(std::span<const Job> jobs, std::size_t size, Action action);

    Memory& _memory;
    SchedulerEvidence _evidence;
    Stalls _stalls;
    const Clock::time_point _start = Clock::now();
    RunLimit _limit;
    std::set<JobId> _failedBefore;
    RunStatistics _statistics;
    Clock::time_point _lookedAt;
    std::chrono::microseconds _lookTime{0};
    /// The same by the database's clock, since 1970.
    bool _isUnsure = false;
    /// The last look found jobs that may be silent, but had no earlier look to compare with; or a clock may
    /// be wrong.
    std::set<JobId> _changed;
    /// The jobs that this run has terminated or canceled.
    std::map<JobId, std::string> _hungErrors;
    /// The errors of the jobs that this run has terminated as hung.
    bool _wantsSecondLook = false;
    /// The next run comes some seconds later, to look again.
    std::optional<Clock::time_point> _nextHang;
    /// When the next job becomes hung or pending, unless it reports.
};

} // namespace HangDetection
