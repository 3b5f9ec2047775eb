#pragma once

#include "notification/Notifications.h"
#include "notification/Subscription.h"

#include <memory>

namespace HangDetection::Test {

class PostedNotifications
/// An observer that remembers what a detector posted. Notified by the thread that runs
/// the detector; read when the run is over.
{
public:
    explicit PostedNotifications(Poco::NotificationCenter& center)
    {
        on<JobTerminated>(center, [this](const auto& n) { terminated.push_back(n.job); });
        on<JobWouldBeTerminated>(center, [this](const auto& n) { wouldBeTerminated.push_back(n.job); });
        on<JobCanceled>(center, [this](const auto& n) { canceled.push_back(n.job); });
        on<JobWouldBeCanceled>(center, [this](const auto& n) { wouldBeCanceled.push_back(n.job); });
        on<CancelFollowed>(center, [this](const auto& n) { cancelFollowed.push_back(n.jobId); });
        on<CancelIgnored>(center, [this](const auto& n) { cancelIgnored.push_back(n.job); });
        on<StallsUnknown>(center, [this](const auto& n) { stallsUnknown.push_back(n.error); });
        on<JobSkipped>(center, [this](const auto& n) { skipped.push_back(n.job); });
        on<JobFailed>(center, [this](const auto& n) {
            failed.push_back(n.job);
            failedAsBefore += n.isKnown ? 1 : 0;
        });
        on<ClockLagBegan>(center, [this](const auto& n) { clockLags.push_back(n.lag); });
        on<ClockLagEnded>(center, [this](const auto&) { ++clockLagsEnded; });
        on<SilenceNotCounted>(center, [this](const auto& n) { gaps.push_back(n.gap); });
        on<MassHangBegan>(center, [this](const auto& n) {
            massHangBegan.push_back(countsOf(n) + " for " + std::to_string(n.hold.count()) + " s");
        });
        on<MassHangEnded>(center, [this](const auto& n) { massHangEnded.push_back(countsOf(n)); });
        on<MassStallBegan>(center, [this](const auto& n) {
            massStallBegan.push_back(countsOf(n) + " for " + std::to_string(n.hold.count()) + " s");
        });
        on<MassStallEnded>(center, [this](const auto& n) { massStallEnded.push_back(countsOf(n)); });
        on<DatabaseConnected>(center, [this](const auto& n) { connected.push_back(n.facts); });
        on<IndexMissing>(center, [this](const auto& n) { indexMissing.push_back(n.searchTime); });
        on<JobLockedLong>(center, [this](const auto& n) {
            lockedLong.push_back(n.jobId + " for " + std::to_string(n.time.count()) + " s by " +
                                 (n.holder ? n.holder->role + ' ' + n.holder->application : "somebody"));
        });
        on<JobRevived>(center, [this](const auto& n) {
            revived.push_back(n.job.jobId + (n.job.hasSucceeded ? " succeeded" : " reported"));
        });
        on<AllocationReleased>(center,
                               [this](const auto& n) { allocations.push_back(textOf(n) + " released"); });
        on<AllocationKept>(center, [this](const auto& n) {
            allocations.push_back(textOf(n) + (n.isKnown ? " still kept: " : " kept: ") + n.error);
        });
        on<AllocationsUnknown>(center,
                               [this](const auto& n) { allocations.push_back("unknown: " + n.error); });
        on<AllocationsKnown>(center, [this](const auto&) { allocations.emplace_back("known"); });
        on<AllocationLeftover>(
            center, [this](const auto& n) { leftover.push_back(n.schedulerJob + " of " + n.jobId); });
        on<JobWithoutAllocation>(center, [this](const auto& n) {
            withoutAllocation.push_back(n.job.jobId + " since " + n.job.workerEnd->schedulerJob + " is " +
                                        n.job.workerEnd->state);
        });
        on<WorkerOutlivedItsEnd>(center, [this](const auto& n) {
            outlived.push_back(n.jobId + " although " + n.workerEnd.schedulerJob + " is " +
                               n.workerEnd.state);
        });
        on<DaemonsUnknown>(center, [this](const auto& n) { daemonsUnknown.push_back(n.error); });
        on<RunFinished>(center, [this](const auto& n) { finished.push_back(n.statistics); });
    }

    std::vector<Termination> terminated;
    std::vector<Termination> wouldBeTerminated;
    std::vector<Termination> canceled;
    std::vector<Termination> wouldBeCanceled;
    std::vector<JobId> cancelFollowed;
    std::vector<Termination> cancelIgnored;
    std::vector<std::string> stallsUnknown;
    std::vector<Termination> skipped;
    std::vector<Termination> failed;
    int failedAsBefore = 0;
    /// Those of them that were known already.
    std::vector<std::chrono::seconds> clockLags;
    int clockLagsEnded = 0;
    std::vector<std::chrono::seconds> gaps;
    std::vector<std::string> massHangBegan;
    /// As "silent of running for seconds s".
    std::vector<std::string> massHangEnded;
    /// As "silent of running".
    std::vector<std::string> massStallBegan;
    std::vector<std::string> massStallEnded;
    /// The same, with the number of stalled jobs.
    std::vector<DatabaseFacts> connected;
    std::vector<std::chrono::milliseconds> indexMissing;
    /// How long each search took.
    std::vector<std::string> lockedLong;
    /// As "job for seconds s by role application", or "... by somebody".
    std::vector<std::string> revived;
    /// As "job succeeded" or "job reported".
    std::vector<std::string> allocations;
    /// As "slurm job of job released", "... kept: error", "unknown: error", "known".
    std::vector<std::string> leftover;
    /// As "slurm job of job".
    std::vector<std::string> withoutAllocation;
    /// As "job since slurm job is state".
    std::vector<std::string> outlived;
    /// As "job although slurm job is state".
    std::vector<std::string> daemonsUnknown;
    std::vector<RunStatistics> finished;

private:
    template <typename N>
    void on(Poco::NotificationCenter& center, typename Subscription<N>::Handler handler)
    {
        _subscriptions.push_back(std::make_shared<Subscription<N>>(center, "PostedNotifications",
                                                                   Poco::Logger::root(), std::move(handler)));
    }

    template <typename N>
    static std::string countsOf(const N& notification)
    {
        return std::to_string(notification.counts.silent) + " of " +
               std::to_string(notification.counts.running);
    }

    template <typename N>
    static std::string textOf(const N& notification)
    {
        return notification.schedulerJob + " of " + notification.mark.text;
    }

    std::vector<std::shared_ptr<void>> _subscriptions;
};

} // namespace HangDetection::Test
