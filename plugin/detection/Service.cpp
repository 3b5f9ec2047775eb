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
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace HangDetection {

namespace {

class TickHandler
/// What the detector's thread owns: the detector, its settings, which may change, and the observers of its
/// results. While the file is wrong from the start, there is no detector.
{
public:
    TickHandler(const std::filesystem::path& settingsFile, Poco::Logger& logger, std::string_view cluster,
                std::unique_ptr<Scheduler> scheduler, bool writesMetrics)
        : _logger(logger),
          _writesMetrics(writesMetrics),
          _settingsFile(settingsFile),
          _source(settingsFile),
          _log(_notifications, logger),
          _metrics(_notifications, logger, cluster),
          _scheduler(std::move(scheduler))
    {
        begin();
    }

    PeriodicTask::Next tick(const std::stop_token& stop)
    {
        if (!_detector && !begin())
            return {.interval = interval()};
        followSettings();
        PeriodicTask::Next next{.interval = interval(), .sooner = _detector->run(stop).pause};
        if (_source.isChanging())
            next.sooner = std::min<PeriodicTask::Milliseconds>(next.sooner.value_or(SettingsSource::settled),
                                                               SettingsSource::settled);
        return next;
    }

    PeriodicTask::Milliseconds interval() const
    {
        return _detector ? _detector->settings().interval : waitForSettings;
    }

private:
    using Clock = std::chrono::steady_clock;

    static constexpr std::chrono::seconds waitForSettings{1};

    bool begin()
    /// False while the file is wrong. That is logged once a minute, as nothing else shows that no job is
    /// terminated.
    {
        try {
            // A file that was just corrected may be half written.
            if (!_settingsError.empty() && !_source.isSettled())
                throw SettingsError(_settingsError);
            Settings settings = _source.read();
            _logger.information(LogLine("started")
                                    .add("version", HANG_DETECTOR_VERSION)
                                    .add("settings", _settingsFile.string())
                                    .add("dry_run", settings.dryRun ? "yes" : "no")
                                    .text());
            writeMetricsTo(settings.metricsFile);
            _detector.emplace(std::move(settings), _notifications, std::move(_scheduler));
            _settingsError.clear();
            return true;
        } catch (const SettingsError& error) {
            if (isToBeLogged(error.what(), std::chrono::minutes(1)))
                _logger.error(LogLine("run failed")
                                  .add("error", error.what())
                                  .add("advice", "nothing is terminated until the file is right")
                                  .text());
            return false;
        }
    }

    void followSettings()
    {
        std::string error = _settingsError;
        try {
            if (auto changed = _source.readIfChanged()) {
                use(std::move(*changed));
                // What does less harm may be taken from a file that is still written.
                if (!_source.isChanging())
                    error.clear();
            }
        } catch (const SettingsError& refusal) {
            error = refusal.what();
            _errorLogged.reset(); // it may be the same error after another change
        }
        _metrics.setSettingsValid(error.empty());
        if (isToBeLogged(error, std::chrono::hours(1)))
            _logger.error(error + "; the settings stay as they were");
    }

    bool isToBeLogged(const std::string& error, Clock::duration pause)
    /// Remembers it as the error of the file. True when it is another one, or was logged so long ago.
    {
        const auto now = Clock::now();
        const bool isNew =
            std::exchange(_settingsError, error) != error || !_errorLogged || now - *_errorLogged >= pause;
        if (error.empty() || !isNew)
            return false;
        _errorLogged = now;
        return true;
    }

    void use(Settings changed)
    {
        LogLine line("settings read again");
        for (const SettingChange& change : _detector->settings().changesTo(changed)) {
            const bool isSecret = change.after.empty();
            line.add(change.key, isSecret ? "changed" : change.before + " -> " + change.after);
        }
        _detector->use(std::move(changed));
        _logger.information(line.text());
        writeMetricsTo(_detector->settings().metricsFile);
    }

    void writeMetricsTo(const std::filesystem::path& file)
    {
        if (_writesMetrics)
            _metrics.writeTo(file);
        else if (!file.empty())
            _logger.information(
                LogLine("metrics file is left to slurmctld").add("path", file.string()).text());
    }

    Poco::Logger& _logger;
    const bool _writesMetrics;
    const std::filesystem::path _settingsFile;
    SettingsSource _source;
    Poco::NotificationCenter _notifications;
    RunLog _log;
    Metrics _metrics;
    std::unique_ptr<Scheduler> _scheduler;
    /// Until the detector owns it.
    std::optional<HangDetector> _detector;
    std::string _settingsError;
    /// Why the file was not taken over. Empty while it is right.
    std::optional<Clock::time_point> _errorLogged;
};

PeriodicTask taskFor(const std::filesystem::path& settingsFile, Poco::Logger& logger,
                     std::string_view cluster, std::unique_ptr<Scheduler> scheduler, bool writesMetrics)
{
    const auto handler =
        std::make_shared<TickHandler>(settingsFile, logger, cluster, std::move(scheduler), writesMetrics);
    return {handler->interval(), [handler](const std::stop_token& stop) { return handler->tick(stop); },
            logger};
}

} // namespace

Service::Service(const std::filesystem::path& settingsFile, Poco::Logger& logger, std::string_view cluster,
                 std::unique_ptr<Scheduler> scheduler, bool writesMetrics)
    : _task(taskFor(settingsFile, logger, cluster, std::move(scheduler), writesMetrics))
{}

} // namespace HangDetection
