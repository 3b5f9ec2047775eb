#pragma once

#include "notification/Notifications.h"
#include "notification/Subscription.h"

#include <Poco/Logger.h>
#include <Poco/NotificationCenter.h>

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
          _skipped(center, "PostedNotifications", Poco::Logger::root(),
                   [this](const JobSkipped& n) { skipped.push_back(n.job); }),
          _failed(center, "PostedNotifications", Poco::Logger::root(),
                  [this](const JobFailed& n) { failed.push_back(n.job); }),
          _finished(center, "PostedNotifications", Poco::Logger::root(),
                    [this](const RunFinished& n) { finished.push_back(n.statistics); })
    {}

    std::vector<Termination> terminated;
    std::vector<Termination> skipped;
    std::vector<Termination> failed;
    std::vector<RunStatistics> finished;

private:
    Subscription<JobTerminated> _terminated;
    Subscription<JobSkipped> _skipped;
    Subscription<JobFailed> _failed;
    Subscription<RunFinished> _finished;
};

} // namespace HangDetection::Test
