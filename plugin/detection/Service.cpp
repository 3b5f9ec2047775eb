#include "Service.h"

#include "HangDetector.h"
#include "Settings.h"
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

PeriodicTask taskFor(const Settings& settings, Poco::Logger& logger)
{
    const auto detection = std::make_shared<Detection>(settings, logger);
    return {settings.interval,
            [detection](const std::stop_token& stop) {
                const RunStatistics statistics = detection->detector.run(stop);
                return detection->detector.pauseAfter(statistics);
            },
            logger};
}

} // namespace

Service::Service(const std::filesystem::path& settingsFile, Poco::Logger& logger)
    : _task(taskFor(Settings::read(settingsFile), logger))
{}

} // namespace HangDetection
