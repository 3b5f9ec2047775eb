#include "HangDetector.h"

#include "Duration.h"
#include "data/DatabaseError.h"

#include <algorithm>
#include <exception>
#include <span>
#include <string>
#include <utility>

namespace HangDetection {

namespace {

using Clock = JobStore::Clock;

/// Most jobs of one statement. Each takes an advisory lock until the statement ends,
/// and a server with default settings has room for some 6,000 locks in all.
constexpr std::size_t batchSize = 500;

MassHang::Limits limitsIn(const Settings& settings)
{
    return {settings.massHangRatio, settings.massHangMinJobs, settings.hungJobDuration};
}

} // namespace

HangDetector::HangDetector(Settings settings, Poco::NotificationCenter& notifications)
    : _settings(std::move(settings)),
      _store(std::in_place, _settings.connection, _settings.runTimeout),
      _notifications(notifications),
      _massHang(limitsIn(_settings))
{}

void HangDetector::use(Settings settings)
{
    if (settings.connection != _settings.connection || settings.runTimeout != _settings.runTimeout) {
        // Copied while the old store is still there, as a copy may fail.
        ConnectionString connection = settings.connection;
        _store.emplace(std::move(connection), settings.runTimeout);
    }
    _massHang.setLimits(limitsIn(settings));
    _settings = std::move(settings);
}

RunStatistics HangDetector::run(const std::stop_token& stop)
{
    RunStatistics statistics;
    const auto start = Clock::now();
    const auto deadline = start + _settings.runTimeout;
    bool hasSearched = false;

    try {
        const auto watch = _store->open(stop, deadline);
        const HungJobs hung = _store->findHungJobs(_settings.hungJobDuration, _settings.maxJobsPerRun,
                                                   _failedJobs.known(Clock::now()));
        hasSearched = true;
        statistics.hung = hung.total;
        statistics.held = isHeld(hung);
        std::span<const JobId> rest;
        if (!statistics.held)
            rest = hung.chosen;
        while (!rest.empty()) {
            if (stop.stop_requested())
                throw RunStopped();
            const auto batch = rest.first(std::min(rest.size(), batchSize));
            _store->terminate(batch, _settings.hungJobDuration,
                              [&](const Termination& job) { report(job, statistics); });
            rest = rest.subspan(batch.size());
        }
    } catch (const RunStopped&) {
        statistics.stopped = true;
    } catch (const DatabaseError& error) {
        if (stop.stop_requested())
            statistics.stopped = true;
        else if (Clock::now() >= deadline)
            // A server that does not even answer a cancel is not slow.
            statistics.error = RunError{
                "RunTimeout of " + formatDuration(_settings.runTimeout) + " has passed", error.sqlState(),
                error.sqlState().empty() ? error.advice()
                                         : "raise RunTimeout, or find out what slows the database down"};
        else
            statistics.error = RunError{error.what(), error.sqlState(), error.advice()};
    } catch (const std::exception& exception) {
        // Out of memory or threads, or a defect: the run is over, and the next one may do better.
        statistics.error = RunError{std::string("unexpected error: ") + exception.what(), "", ""};
    }

    statistics.duration = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
    // A termination that failed says nothing of who reports.
    if (statistics.error && !hasSearched)
        _massHang.missedSearch();
    _notifications.postNotification(new RunFinished(statistics));
    return statistics;
}

std::optional<std::chrono::milliseconds> HangDetector::pauseAfter(const RunStatistics& statistics)
{
    if (statistics.error)
        return _retryPause.next(_settings.interval);
    _retryPause.reset();
    const auto holdLeft = _massHang.holdLeft(Clock::now());
    if (!holdLeft)
        return std::nullopt;
    return std::max(std::chrono::ceil<std::chrono::milliseconds>(*holdLeft), std::chrono::milliseconds(0));
}

bool HangDetector::isHeld(const HungJobs& hung)
{
    switch (_massHang.judge(hung.total, hung.running, Clock::now())) {
    case MassHang::Verdict::began:
        _notifications.postNotification(
            new MassHangBegan(hung.total, hung.running, _settings.hungJobDuration));
        return true;
    case MassHang::Verdict::held:
        return true;
    case MassHang::Verdict::ended:
        _notifications.postNotification(new MassHangEnded(hung.total, hung.running));
        return false;
    case MassHang::Verdict::none:
        break;
    }
    return false;
}

void HangDetector::report(const Termination& job, RunStatistics& statistics)
{
    switch (job.outcome) {
    case Outcome::terminated:
        statistics.terminated.push_back(job.jobId);
        _failedJobs.remove(job.jobId);
        _notifications.postNotification(new JobTerminated(job, _settings.hungJobDuration));
        return;
    case Outcome::failed:
        ++statistics.failed;
        _notifications.postNotification(new JobFailed(job, !_failedJobs.add(job, Clock::now())));
        return;
    case Outcome::locked:
        ++statistics.locked;
        break;
    case Outcome::missing:
    case Outcome::notStarted:
    case Outcome::completed:
    case Outcome::reported:
        ++statistics.ineligible;
        _failedJobs.remove(job.jobId);
        break;
    }
    _notifications.postNotification(new JobSkipped(job));
}

} // namespace HangDetection
