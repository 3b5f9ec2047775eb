#pragma once

#include "Notifications.h"
#include "Subscription.h"

#include <Poco/Logger.h>
#include <Poco/NotificationCenter.h>

#include <chrono>
#include <optional>
#include <set>
#include <string>

namespace HangDetection {

class RunLog
/// The observer that writes the log: one line for each run, and one for each job that was terminated, would
/// be terminated in a dry run, or failed, and for each Slurm job that was cancelled. A run that did nothing
/// is logged at debug level only, and so is one with the same numbers as the run before. So is what was
/// logged before: an error of the same kind as one since the last good run, and a job or a Slurm job that
/// fails as it did before.
///
/// Used only by the thread that runs the detector.
{
public:
    RunLog(Poco::NotificationCenter& center, Poco::Logger& logger);

private:
    struct Outage
    /// A sequence of runs that failed.
    {
        std::chrono::steady_clock::time_point since;
        int runs = 0;
        bool isOfDatabase = false;
        std::set<std::string> kinds = {};
        /// The kinds of errors that were logged as warnings, without digits: the numbers of blocks, processes
        /// or ports change with each attempt.
    };

    template <typename N>
    Subscription<N> to(Poco::NotificationCenter& center, void (RunLog::*handler)(const N&));

    void onJobTerminated(const JobTerminated& notification);
    void onJobWouldBeTerminated(const JobWouldBeTerminated& notification);
    void onJobCanceled(const JobCanceled& notification);
    void onJobWouldBeCanceled(const JobWouldBeCanceled& notification);
    void onCancelFollowed(const CancelFollowed& notification);
    void onCancelIgnored(const CancelIgnored& notification);
    void onStallsUnknown(const StallsUnknown& notification);
    void onJobSkipped(const JobSkipped& notification);
    void onJobFailed(const JobFailed& notification);
    void onJobLockedLong(const JobLockedLong& notification);
    void onJobRevived(const JobRevived& notification);
    void onClockLagBegan(const ClockLagBegan& notification);
    void onClockLagEnded(const ClockLagEnded& notification);
    void onSilenceNotCounted(const SilenceNotCounted& notification);
    void onMassHangBegan(const MassHangBegan& notification);
    void onMassHangEnded(const MassHangEnded& notification);
    void onMassStallBegan(const MassStallBegan& notification);
    void onMassStallEnded(const MassStallEnded& notification);
    void onDatabaseConnected(const DatabaseConnected& notification);
    void onIndexMissing(const IndexMissing& notification);
    void onAllocationReleased(const AllocationReleased& notification);
    void onAllocationKept(const AllocationKept& notification);
    void onAllocationsUnknown(const AllocationsUnknown& notification);
    void onAllocationsKnown(const AllocationsKnown& notification);
    void onAllocationLeftover(const AllocationLeftover& notification);
    void onJobWithoutAllocation(const JobWithoutAllocation& notification);
    void onWorkerOutlivedItsEnd(const WorkerOutlivedItsEnd& notification);
    void onDaemonsUnknown(const DaemonsUnknown& notification);
    void onRunFinished(const RunFinished& notification);
    void onRunFailed(const RunError& error, std::chrono::milliseconds duration);
    void onRunSucceeded(const RunStatistics& statistics);

    Poco::Logger& _logger;
    std::optional<Outage> _outage;
    std::string _lastCounts;
    /// The line of the last run, without its duration. Empty when that run did nothing.
    Subscription<JobTerminated> _terminated;
    Subscription<JobWouldBeTerminated> _wouldBeTerminated;
    Subscription<JobCanceled> _canceled;
    Subscription<JobWouldBeCanceled> _wouldBeCanceled;
    Subscription<CancelFollowed> _cancelFollowed;
    Subscription<CancelIgnored> _cancelIgnored;
    Subscription<StallsUnknown> _stallsUnknown;
    Subscription<JobSkipped> _skipped;
    Subscription<JobFailed> _failed;
    Subscription<JobLockedLong> _lockedLong;
    Subscription<JobRevived> _revived;
    Subscription<ClockLagBegan> _clockLagBegan;
    Subscription<ClockLagEnded> _clockLagEnded;
    Subscription<SilenceNotCounted> _silenceNotCounted;
    Subscription<MassHangBegan> _massHangBegan;
    Subscription<MassHangEnded> _massHangEnded;
    Subscription<MassStallBegan> _massStallBegan;
    Subscription<MassStallEnded> _massStallEnded;
    Subscription<DatabaseConnected> _databaseConnected;
    Subscription<IndexMissing> _indexMissing;
    Subscription<AllocationReleased> _released;
    Subscription<AllocationKept> _kept;
    Subscription<AllocationsUnknown> _unknown;
    Subscription<AllocationsKnown> _known;
    Subscription<AllocationLeftover> _leftover;
    Subscription<JobWithoutAllocation> _withoutAllocation;
    Subscription<WorkerOutlivedItsEnd> _outlived;
    Subscription<DaemonsUnknown> _daemonsUnknown;
    Subscription<RunFinished> _finished;
};

} // namespace HangDetection
