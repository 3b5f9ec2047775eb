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
          _massHangBegan(center, "PostedNotifications", Poco::Logger::root(),
                         [this](const MassHangBegan& n) {
                             massHangBegan.push_back(countsOf(n) + " for " + std::to_string(n.hold.count()) +
                                                     " s");
                         }),
          _massHangEnded(center, "PostedNotifications", Poco::Logger::root(),
                         [this](const MassHangEnded& n) { massHangEnded.push_back(countsOf(n)); }),
          _indexMissing(center, "PostedNotifications", Poco::Logger::root(),
                        [this](const IndexMissing& n) { indexMissing.push_back(n.searchTime); }),
          _finished(center, "PostedNotifications", Poco::Logger::root(),
                    [this](const RunFinished& n) { finished.push_back(n.statistics); })
    {}

    std::vector<Termination> terminated;
    std::vector<Termination> wouldBeTerminated;
    std::vector<Termination> skipped;
    std::vector<Termination> failed;
    int failedAsBefore = 0;
    /// Those of them that were known already.
    std::vector<std::string> massHangBegan;
    /// As "silent of running for seconds s".
    std::vector<std::string> massHangEnded;
    /// As "silent of running".
    std::vector<std::chrono::milliseconds> indexMissing;
    /// How long each search took.
    std::vector<RunStatistics> finished;

private:
    template <typename N>
    static std::string countsOf(const N& notification)
    {
        return std::to_string(notification.counts.silent) + " of " +
               std::to_string(notification.counts.running);
    }

    Subscription<JobTerminated> _terminated;
    Subscription<JobWouldBeTerminated> _wouldBeTerminated;
    Subscription<JobSkipped> _skipped;
    Subscription<JobFailed> _failed;
    Subscription<MassHangBegan> _massHangBegan;
    Subscription<MassHangEnded> _massHangEnded;
    Subscription<IndexMissing> _indexMissing;
    Subscription<RunFinished> _finished;
};

} // namespace HangDetection::Test
