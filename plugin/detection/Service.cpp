#include "Service.h"

#include "HangDetector.h"
#include "Settings.h"
#include "SettingsFile.h"
#include "SettingsSource.h"
#include "notification/LogLine.h"
#include "notification/Metrics.h"
#include "notification/RunLog.h"

#include <Poco/NotificationCenter.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace HangDetection {

namespace {

class TickHandler
/// What the detector's thread owns: the detector, its settings, which may change, and the observers of its
/// results.
{
public:
    TickHandler(const std::filesystem::path& settingsFile, Poco::Logger& logger, std::string_view cluster,
                std::unique_ptr<Scheduler> scheduler)
        : _logger(logger),
          _source(settingsFile),
          _log(_notifications, logger),
          _metrics(_notifications, logger, cluster),
          _detector(_source.read(), _notifications, std::move(scheduler))
    {
        _metrics.writeTo(_detector.settings().metricsFile);
        logger.information(LogLine("started")
                               .add("version", HANG_DETECTOR_VERSION)
                               .add("settings", settingsFile.string())
                               .add("dry_run", _detector.settings().dryRun ? "yes" : "no")
                               .text());
    }

    std::chrono::seconds interval() const { return _detector.settings().interval; }

    PeriodicTask::Next tick(const std::stop_token& stop)
    {
        followSettings();
        PeriodicTask::Next next{.interval = interval(), .sooner = _detector.run(stop).pause};
        if (_source.isChanging())
            next.sooner = std::min<PeriodicTask::Milliseconds>(next.sooner.value_or(SettingsSource::settled),
                                                               SettingsSource::settled);
        return next;
    }

private:
    void followSettings()
    {
        try {
            auto changed = _source.readIfChanged();
            if (!changed)
                return;
            LogLine line("settings read again");
            for (const SettingChange& change : _detector.settings().changesTo(*changed)) {
                const bool isSecret = change.after.empty();
                line.add(change.key, isSecret ? "changed" : change.before + " -> " + change.after);
            }
            _detector.use(std::move(*changed));
            _logger.information(line.text());
            _metrics.writeTo(_detector.settings().metricsFile);
        } catch (const SettingsError& error) {
            _logger.error(std::string(error.what()) + "; the settings stay as they were");
        }
    }

    Poco::Logger& _logger;
    SettingsSource _source;
    Poco::NotificationCenter _notifications;
    RunLog _log;
    Metrics _metrics;
    HangDetector _detector;
};

PeriodicTask taskFor(const std::filesystem::path& settingsFile, Poco::Logger& logger,
                     std::string_view cluster, std::unique_ptr<Scheduler> scheduler)
{
    const auto handler = std::make_shared<TickHandler>(settingsFile, logger, cluster, std::move(scheduler));
    return {handler->interval(), [handler](const std::stop_token& stop) { return handler->tick(stop); },
            logger};
}

} // namespace

Service::Service(const std::filesystem::path& settingsFile, Poco::Logger& logger, std::string_view cluster,
                 std::unique_ptr<Scheduler> scheduler)
    : _task(taskFor(settingsFile, logger, cluster, std::move(scheduler)))
{}

} // namespace HangDetection
