#include "Service.h"

#include "detection/HangDetector.h"
#include "notification/RunLog.h"

#include <Poco/NotificationCenter.h>

#include <memory>

namespace HangDetection {

namespace {

struct Detection
/// What the detector's thread owns: the detector, and who hears of its results.
{
    Detection(const Settings& settings, Poco::Logger& logger)
        : log(notifications, logger), detector(settings, notifications)
    {}

    Poco::NotificationCenter notifications;
    RunLog log;
    HangDetector detector;
};

PeriodicTask::Handler handler(const Settings& settings, Poco::Logger& logger)
{
    return [detection = std::make_shared<Detection>(settings, logger)](const std::stop_token& stop) {
        const RunStatistics statistics = detection->detector.run(stop);
        return detection->detector.pauseAfter(statistics);
    };
}

} // namespace

Service::Service(const Settings& settings, Poco::Logger& logger)
    : _task(settings.interval, handler(settings, logger), logger)
{
    _task.start();
}

} // namespace HangDetection
