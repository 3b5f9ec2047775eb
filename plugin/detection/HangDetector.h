#pragma once

#include "ClockLag.h"
#include "EarlierLooks.h"
#include "FailedJobs.h"
#include "IndexAdvice.h"
#include "JobAllocations.h"
#include "MassHang.h"
#include "PreviewedJobs.h"
#include "RetryPause.h"
#include "RevivalWatch.h"
#include "Settings.h"
#include "data/JobStore.h"
#include "notification/Notifications.h"

#include <Poco/NotificationCenter.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

namespace HangDetection {

class HangDetector
/// Finds hung and pending jobs and terminates them, or tells in a dry run which it would
/// terminate, one run at a time. Whoever wants to know subscribes to the notifications that it
/// posts: ClockLagBegan and ClockLagEnded, MassHangBegan and MassHangEnded, JobTerminated,
/// JobWouldBeTerminated, JobSkipped and JobFailed for each job of a run, then RunFinished, always. Used by
/// one thread, which also calls the subscribers.
{
public:
    HangDetector(Settings settings, Poco::NotificationCenter& notifications,
                 std::unique_ptr<Allocations> slurm = nullptr,
                 std::chrono::milliseconds looksApart = EarlierLooks::defaultApart);
    /// Does not connect to the database yet. Without Slurm no allocation is asked for, whatever
    /// ReleaseAllocations says. No running job is hung before two looks at it that are so far apart.

    RunStatistics run(const std::stop_token& stop);
    /// One run. Ends early, with the cause in the statistics, when it is asked to
    /// stop, when RunTimeout has passed, or on an error that no job would escape.

    const Settings& settings() const { return _settings; }

    void use(Settings settings);
    /// From the next run on. What is known of a mass hang and of jobs that failed stays known,
    /// and so does the connection, unless its settings are new. The next run looks twice at jobs that
    /// seem hung. What dry runs told is forgotten when they are over.

    std::optional<std::chrono::milliseconds> pauseAfter(const RunStatistics& statistics);
    /// How soon the next run has to come because of what the last one found or how it
    /// ended: when the next job can be hung or pending, when jobs were left, after an error, when the
    /// hold of a mass hang is over. Nothing when Interval is soon enough.

    static constexpr std::size_t batchSize = 500;
    /// Most jobs of one statement. Each takes an advisory lock until the statement ends,
    /// and a server with default settings has room for some 6,000 locks in all. Such a
    /// statement takes some 50 ms, in which nobody else gets at its jobs; larger ones take
    /// as much longer as they have more jobs (tests/benchmark).

    static constexpr std::chrono::seconds leastPause{1};
    /// Between a run and the next when nothing failed.

private:
    using Clock = std::chrono::steady_clock;

    HungJobs look(const std::vector<JobId>& failedBefore, RunStatistics& statistics);
    bool isClockUnsure(std::optional<std::chrono::milliseconds> heartbeatAge, Clock::time_point earlierLook,
                       Clock::time_point look);
    bool isHeld(const JobCounts& jobs);
    Thresholds thresholds() const;
    void terminate(std::vector<SeenJob> jobs, const std::vector<JobId>& failedBefore,
                   RunStatistics& statistics, const std::stop_token& stop);
    void terminateAtOnce(std::span<const SeenJob> jobs, RunStatistics& statistics);
    void decide(const std::vector<SeenJob>& chosen, const std::vector<JobId>& failedBefore,
                RunStatistics& statistics, const std::stop_token& stop, Clock::time_point deadline);
    std::vector<SeenJob> withoutExplained(const std::vector<SeenJob>& jobs, RunStatistics& statistics,
                                          const std::stop_token& stop, Clock::time_point deadline);
    void preview(const std::vector<SeenJob>& jobs, RunStatistics& statistics, const std::stop_token& stop);
    void report(const Termination& job, RunStatistics& statistics);

    Settings _settings;
    std::unique_ptr<JobStore> _store;
    /// Made anew when its settings change; there always is one.
    Poco::NotificationCenter& _notifications;
    int _session = 0;
    /// That of the looks.
    EarlierLooks _looks;
    ClockLag _clockLag;
    RetryPause _retryPause;
    MassHang _massHang;
    FailedJobs _failedJobs;
    PreviewedJobs _previewedJobs;
    RevivalWatch _revivalWatch;
    IndexAdvice _indexAdvice;
    JobAllocations _allocations;
};

} // namespace HangDetection
