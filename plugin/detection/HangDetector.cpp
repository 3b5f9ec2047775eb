#include "HangDetector.h"

#include "Duration.h"
#include "data/DatabaseError.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <iterator>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <utility>

namespace HangDetection {

namespace {

std::chrono::seconds lookAheadIn(const Settings& settings)
/// Who would be hung within a minute has fallen silent together with who is hung now: a worker
/// reports several times a minute, and many times in half of the threshold.
{
    return std::min(std::chrono::seconds(60), settings.hungJobDuration / 2);
}

bool isEverybodys(const DatabaseError& error)
/// Also when others could be terminated before: the server is gone or short of something, or the
/// statement was cancelled, because the run is over.
{
    return error.scope() == DatabaseError::Scope::connection || error.sqlState().starts_with("53") ||
           error.sqlState() == "57014";
}

RunError timedOut(const DatabaseError& error, std::chrono::seconds runTimeout)
/// A server that does not even answer a cancel is not slow.
{
    return {"RunTimeout of " + formatDuration(runTimeout) + " has passed", error.sqlState(),
            error.sqlState().empty() ? error.advice()
                                     : "raise RunTimeout, or find out what slows the database down",
            true};
}

void waitFor(std::chrono::milliseconds time, const std::stop_token& stop)
/// Throws RunStopped.
{
    std::mutex mutex;
    std::condition_variable_any stopped;
    std::unique_lock lock(mutex);
    stopped.wait_for(lock, stop, time, [] { return false; });
    if (stop.stop_requested())
        throw RunStopped();
}

template <typename Action>
void inBatches(std::span<const SeenJob> jobs, std::size_t most, const std::stop_token& stop, Action action)
/// Throws RunStopped between two of them.
{
    while (!jobs.empty()) {
        if (stop.stop_requested())
            throw RunStopped();
        const auto batch = jobs.first(std::min(jobs.size(), most));
        action(batch);
        jobs = jobs.subspan(batch.size());
    }
}

MassHang::Limits limitsIn(const Settings& settings)
{
    return {settings.massHangRatio, settings.massHangMinJobs, settings.hungJobDuration};
}

} // namespace

HangDetector::HangDetector(Settings settings, Poco::NotificationCenter& notifications,
                           std::unique_ptr<Allocations> slurm, std::chrono::milliseconds looksApart)
    : _settings(std::move(settings)),
      _store(std::make_unique<JobStore>(_settings.connection, _settings.runTimeout)),
      _notifications(notifications),
      _looks(looksApart),
      _massHang(limitsIn(_settings)),
      _revivalWatch(notifications),
      _indexAdvice(notifications),
      _allocations(std::move(slurm), notifications)
{
    _allocations.enable(_settings.releaseAllocations);
}

void HangDetector::use(Settings settings)
{
    if (settings.connection != _settings.connection || settings.runTimeout != _settings.runTimeout) {
        _store = std::make_unique<JobStore>(settings.connection, settings.runTimeout);
        _clockLag = {};
        _indexAdvice.reset();
    }
    _looks.forget();
    _allocations.enable(settings.releaseAllocations);
    _massHang.setLimits(limitsIn(settings));
    if (!settings.dryRun)
        _previewedJobs.clear();
    _settings = std::move(settings);
}

RunStatistics HangDetector::run(const std::stop_token& stop)
{
    RunStatistics statistics;
    const auto start = Clock::now();
    auto deadline = start + _settings.runTimeout;
    statistics.dryRun = _settings.dryRun;

    try {
        _store->open({stop, deadline});
        const std::vector<JobId> failedBefore = _failedJobs.known(start);
        HungJobs found = look(failedBefore, statistics);
        if (found.areWatchedTouched)
            _revivalWatch.tell(*_store);
        if (statistics.isUnsure) {
            // The time between two looks is not that of the run. One that is over its time goes on, and
            // fails.
            if (Clock::now() < deadline) {
                waitFor(_looks.apart(), stop);
                deadline += _looks.apart();
                _store->open({stop, deadline});
            }
            found = look(failedBefore, statistics);
        }
        statistics.held =
            statistics.isUnsure ? _massHang.holdLeft(start).has_value() : isHeld(statistics.jobs);
        decide(statistics.held ? std::vector<SeenJob>() : found.chosen, failedBefore, statistics, stop,
               deadline);
    } catch (const RunStopped&) {
        statistics.stopped = true;
    } catch (const DatabaseError& error) {
        if (stop.stop_requested())
            statistics.stopped = true;
        else if (Clock::now() >= deadline)
            statistics.error = timedOut(error, _settings.runTimeout);
        else
            statistics.error = RunError{error.what(), error.sqlState(), error.advice(), true};
    } catch (const std::exception& exception) {
        // Out of memory or threads, or a defect: the run is over, and the next one may do better.
        statistics.error = RunError{std::string("unexpected error: ") + exception.what(), "", ""};
    }

    statistics.duration = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
    // A termination that failed says nothing of who reports.
    if (statistics.error && !statistics.hasSearched)
        _massHang.missedSearch();
    _notifications.postNotification(new RunFinished(statistics));
    return statistics;
}

std::optional<std::chrono::milliseconds> HangDetector::pauseAfter(const RunStatistics& statistics)
{
    if (statistics.error)
        return _retryPause.next(_settings.interval);
    _retryPause.reset();
    using std::chrono::milliseconds;
    const auto now = Clock::now();
    if (const auto holdLeft = _massHang.holdLeft(now))
        return std::max(std::chrono::ceil<milliseconds>(*holdLeft), milliseconds(0));
    // A backlog of which nothing can be terminated does not get shorter by more runs.
    if (statistics.left > 0 && !statistics.terminated.empty())
        return leastPause;
    if (statistics.wantsSecondLook)
        return _looks.apart();
    if (!statistics.nextHang)
        return std::nullopt;
    const auto untilHang = std::chrono::ceil<milliseconds>(*statistics.nextHang - now);
    // One look more before the job is hung, so that its threshold need not wait for a second look.
    return std::max<milliseconds>(untilHang > 2 * _looks.apart() ? untilHang - _looks.apart() : untilHang,
                                  leastPause);
}

HungJobs HangDetector::look(const std::vector<JobId>& failedBefore, RunStatistics& statistics)
/// Chosen are the jobs that have the places of this run. Those that a run can do nothing for, or has told
/// of already, get what the others leave.
{
    const auto start = Clock::now();
    std::vector<JobId> last = failedBefore;
    std::ranges::copy(_previewedJobs.known(start), std::back_inserter(last));
    std::ranges::copy(_allocations.explained(), std::back_inserter(last));
    if (std::exchange(_session, _store->sessions()) != _store->sessions())
        _looks.forget();
    const auto earlier = _looks.find(start);
    HungJobs found = _store->findHungJobs({.thresholds = thresholds(),
                                           .lookAhead = lookAheadIn(_settings),
                                           .most = _settings.maxJobsPerRun,
                                           .last = std::move(last),
                                           .watched = _revivalWatch.due(_settings.interval, start),
                                           .earlier = earlier ? earlier->look : Look()});
    const auto took = Clock::now() - start;
    _looks.add(found.look, start);
    statistics.hasSearched = true;
    statistics.isUnsure =
        earlier ? isClockUnsure(found.heartbeatAge, earlier->time, start) : found.doubtful > 0;
    if (statistics.isUnsure)
        found.chosen.clear();
    // Who has died since the earlier look is past the threshold by now, if that was long ago.
    const bool wasLongAgo = earlier && start - earlier->time > 2 * _looks.apart();
    statistics.wantsSecondLook = statistics.isUnsure || (wasLongAgo && found.doubtful > 0);
    statistics.jobs = found.counts;
    statistics.left = found.counts.backlog() - static_cast<std::int64_t>(found.chosen.size());
    if (found.untilNext)
        statistics.nextHang = Clock::now() + *found.untilNext;
    _indexAdvice.searchTook(took, *_store);
    return found;
}

bool HangDetector::isClockUnsure(std::optional<std::chrono::milliseconds> heartbeatAge,
                                 Clock::time_point earlierLook, Clock::time_point look)
/// Whether that look did not know yet by how much the clock of the heartbeats is behind.
{
    const auto verdict = _clockLag.judge(heartbeatAge, earlierLook, look);
    if (verdict == ClockLag::Verdict::began)
        _notifications.postNotification(new ClockLagBegan(_clockLag.known()));
    if (verdict == ClockLag::Verdict::ended)
        _notifications.postNotification(new ClockLagEnded);
    return verdict == ClockLag::Verdict::began || _clockLag.isSuspected();
}

Thresholds HangDetector::thresholds() const
{
    return {
        .hung = _settings.hungJobDuration, .pending = _settings.pendingJobDuration, .lag = _clockLag.known()};
}

bool HangDetector::isHeld(const JobCounts& jobs)
{
    switch (_massHang.judge(jobs, Clock::now())) {
    case MassHang::Verdict::began:
        _notifications.postNotification(new MassHangBegan(jobs, _settings.hungJobDuration, _settings.dryRun));
        return true;
    case MassHang::Verdict::held:
        return true;
    case MassHang::Verdict::ended:
        _notifications.postNotification(new MassHangEnded(jobs, _settings.dryRun));
        return false;
    case MassHang::Verdict::none:
        break;
    }
    return false;
}

void HangDetector::decide(const std::vector<SeenJob>& chosen, const std::vector<JobId>& failedBefore,
                          RunStatistics& statistics, const std::stop_token& stop, Clock::time_point deadline)
{
    // Slurm is also asked for allocations of jobs that are terminated already, but a dry run releases none.
    if (chosen.empty() && (statistics.dryRun || !_allocations.isDue()))
        return;
    std::vector<SeenJob> jobs = withoutExplained(chosen, statistics, stop, deadline);
    if (statistics.dryRun) {
        preview(jobs, statistics, stop);
        return;
    }
    terminate(std::move(jobs), failedBefore, statistics, stop);
    _allocations.release(*_store, stop, deadline);
}

std::vector<SeenJob> HangDetector::withoutExplained(const std::vector<SeenJob>& jobs,
                                                    RunStatistics& statistics, const std::stop_token& stop,
                                                    Clock::time_point deadline)
/// Those that Slurm has no explanation for; the others are skipped.
{
    const std::set<JobId> explained = _allocations.askForExplained(_settings.hungJobDuration, stop, deadline);
    std::vector<SeenJob> rest;
    for (const SeenJob& job : jobs) {
        if (!explained.contains(job.jobId)) {
            rest.push_back(job);
            continue;
        }
        Termination skipped;
        skipped.jobId = job.jobId;
        skipped.outcome = Outcome::suspended;
        report(skipped, statistics);
    }
    return rest;
}

void HangDetector::terminate(std::vector<SeenJob> jobs, const std::vector<JobId>& failedBefore,
                             RunStatistics& statistics, const std::stop_token& stop)
/// In batches; but a job that failed before gets a statement of its own, after the others, so
/// that it takes nobody with it.
{
    const auto failed = [&](const SeenJob& job) {
        return std::ranges::binary_search(failedBefore, job.jobId);
    };
    std::ranges::stable_sort(jobs, {}, failed);
    const auto alone = std::ranges::find_if(jobs, failed);
    const auto terminateBatch = [&](std::span<const SeenJob> batch) { terminateAtOnce(batch, statistics); };
    inBatches({jobs.begin(), alone}, batchSize, stop, terminateBatch);
    inBatches({alone, jobs.end()}, 1, stop, terminateBatch);
}

void HangDetector::terminateAtOnce(std::span<const SeenJob> jobs, RunStatistics& statistics)
{
    try {
        _store->terminate(jobs, thresholds(), [&](const Termination& job) { report(job, statistics); });
    } catch (const DatabaseError& error) {
        // A trigger can bring about any error for one job, even the end of the session.
        if (jobs.size() > 1 || statistics.terminated.empty() || isEverybodys(error)) {
            const std::set<JobId> terminated(statistics.terminated.begin(), statistics.terminated.end());
            for (const SeenJob& job : jobs) {
                if (!terminated.contains(job.jobId))
                    _failedJobs.suspect(job.jobId, Clock::now());
            }
            throw;
        }
        report(failedTermination(jobs.front().jobId, error), statistics);
    }
}

void HangDetector::preview(const std::vector<SeenJob>& jobs, RunStatistics& statistics,
                           const std::stop_token& stop)
{
    inBatches(jobs, batchSize, stop, [&](std::span<const SeenJob> batch) {
        for (const Termination& job : _store->preview(batch, thresholds()))
            report(job, statistics);
    });
}

void HangDetector::report(const Termination& job, RunStatistics& statistics)
{
    switch (job.outcome) {
    case Outcome::terminated:
        if (statistics.dryRun) {
            ++statistics.wouldTerminate;
            if (_previewedJobs.add(job.jobId, Clock::now()))
                _notifications.postNotification(new JobWouldBeTerminated(job, thresholds().of(job.reason)));
            return;
        }
        statistics.terminated.push_back(job.jobId);
        _revivalWatch.add({job.jobId, job.updatedAt}, Clock::now());
        _failedJobs.remove(job.jobId);
        _notifications.postNotification(new JobTerminated(job, thresholds().of(job.reason)));
        return;
    case Outcome::failed:
        ++statistics.failed;
        _notifications.postNotification(new JobFailed(job, !_failedJobs.add(job, Clock::now())));
        return;
    case Outcome::locked:
        ++statistics.locked;
        break;
    case Outcome::suspended:
        ++statistics.suspended;
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
