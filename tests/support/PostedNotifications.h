#pragma once

#include "notification/Notifications.h"
#include "notification/Subscription.h"

#include <Poco/Logger.h>
#include <Poco/NotificationCenter.h>

#include <chrono>
#include <string>
#include <vector>

namespace HangDetection::Test {

class PostedNotifications
/// An observer that remembers what a detector posted. Notified by the thread that runs
/// the detector; read when the run is over.
{
public:
    explicit PostedNotifications(Poco::NotificationCenter& center)
        : _terminated(center, "PostedNotifications", Poco::Logger::root(),
                      [this](const JobTerminated& n) { terminated.push_back(n.job); }),
          _wouldBeTerminated(center, "PostedNotifications", Poco::Logger::root(),
                             [this](const JobWouldBeTerminated& n) { wouldBeTerminated.push_back(n.job); }),
          _skipped(center, "PostedNotifications", Poco::Logger::root(),
                   [this](const JobSkipped& n) { skipped.push_back(n.job); }),
          _failed(center, "PostedNotifications", Poco::Logger::root(),
                  [this](const JobFailed& n) {
                      failed.push_back(n.job);
                      failedAsBefore += n.isKnown ? 1 : 0;
                  }),
          _clockLagBegan(center, "PostedNotifications", Poco::Logger::root(),
                         [this](const ClockLagBegan& n) { clockLags.push_back(n.lag); }),
          _clockLagEnded(center, "PostedNotifications", Poco::Logger::root(),
                         [this](const ClockLagEnded&) { ++clockLagsEnded; }),
          _massHangBegan(center, "PostedNotifications", Poco::Logger::root(),
                         [this](const MassHangBegan& n) {
                             massHangBegan.push_back(countsOf(n) + " for " + std::to_string(n.hold.count()) +
                                                     " s");
                         }),
          _massHangEnded(center, "PostedNotifications", Poco::Logger::root(),
                         [this](const MassHangEnded& n) { massHangEnded.push_back(countsOf(n)); }),
          _indexMissing(center, "PostedNotifications", Poco::Logger::root(),
                        [this](const IndexMissing& n) { indexMissing.push_back(n.searchTime); }),
          _revived(center, "PostedNotifications", Poco::Logger::root(),
                   [this](const JobRevived& n) {
                       revived.push_back(n.job.jobId + (n.job.hasSucceeded ? " succeeded" : " reported"));
                   }),
          _allocationReleased(
              center, "PostedNotifications", Poco::Logger::root(),
              [this](const AllocationReleased& n) { allocations.push_back(textOf(n) + " released"); }),
          _allocationKept(center, "PostedNotifications", Poco::Logger::root(),
                          [this](const AllocationKept& n) {
                              allocations.push_back(textOf(n) + (n.isKnown ? " still kept: " : " kept: ") +
                                                    n.error);
                          }),
          _allocationsUnknown(
              center, "PostedNotifications", Poco::Logger::root(),
              [this](const AllocationsUnknown& n) { allocations.push_back("unknown: " + n.error); }),
          _allocationsKnown(center, "PostedNotifications", Poco::Logger::root(),
                            [this](const AllocationsKnown&) { allocations.emplace_back("known"); }),
          _finished(center, "PostedNotifications", Poco::Logger::root(),
                    [this](const RunFinished& n) { finished.push_back(n.statistics); })
    {}

    std::vector<Termination> terminated;
    std::vector<Termination> wouldBeTerminated;
    std::vector<Termination> skipped;
    std::vector<Termination> failed;
    int failedAsBefore = 0;
    /// Those of them that were known already.
    std::vector<std::chrono::seconds> clockLags;
    int clockLagsEnded = 0;
    std::vector<std::string> massHangBegan;
    /// As "silent of running for seconds s".
    std::vector<std::string> massHangEnded;
    /// As "silent of running".
    std::vector<std::chrono::milliseconds> indexMissing;
    /// How long each search took.
    std::vector<std::string> revived;
    /// As "job succeeded" or "job reported".
    std::vector<std::string> allocations;
    /// As "slurm job of job released", "... kept: error", "unknown: error", "known".
    std::vector<RunStatistics> finished;

private:
    template <typename N>
    static std::string countsOf(const N& notification)
    {
        return std::to_string(notification.counts.silent) + " of " +
               std::to_string(notification.counts.running);
    }

    template <typename N>
    static std::string textOf(const N& notification)
    {
        return notification.slurmJob + " of " + notification.jobId;
    }

    Subscription<JobTerminated> _terminated;
    Subscription<JobWouldBeTerminated> _wouldBeTerminated;
    Subscription<JobSkipped> _skipped;
    Subscription<JobFailed> _failed;
    Subscription<ClockLagBegan> _clockLagBegan;
    Subscription<ClockLagEnded> _clockLagEnded;
    Subscription<MassHangBegan> _massHangBegan;
    Subscription<MassHangEnded> _massHangEnded;
    Subscription<IndexMissing> _indexMissing;
    Subscription<JobRevived> _revived;
    Subscription<AllocationReleased> _allocationReleased;
    Subscription<AllocationKept> _allocationKept;
    Subscription<AllocationsUnknown> _allocationsUnknown;
    Subscription<AllocationsKnown> _allocationsKnown;
    Subscription<RunFinished> _finished;
};

} // namespace HangDetection::Test
