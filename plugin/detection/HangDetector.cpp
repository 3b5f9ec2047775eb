#include "HangDetector.h"

#include "Duration.h"
#include "data/DatabaseError.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <set>
#include <span>
#include <string>
#include <utility>

namespace HangDetection {

namespace {

using Clock = JobStore::Clock;

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

Thresholds thresholdsIn(const Settings& settings)
{
    return {.hung = settings.hungJobDuration, .pending = settings.pendingJobDuration};
}

template <typename Action>
void inBatches(std::span<const JobId> jobs, std::size_t most, const std::stop_token& stop, Action action)
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
                           std::unique_ptr<Allocations> slurm)
    : _settings(std::move(settings)),
      _store(std::make_unique<JobStore>(_settings.connection, _settings.runTimeout)),
      _notifications(notifications),
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
        _indexAdvice.reset();
    }
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
    const auto deadline = start + _settings.runTimeout;
    statistics.dryRun = _settings.dryRun;

    try {
        const auto watch = _store->open(stop, deadline);
        const std::vector<JobId> failedBefore = _failedJobs.known(start);
        const HungJobs found = search(failedBefore, statistics);
        if (found.areWatchedTouched)
            _revivalWatch.tell(*_store);
        statistics.held = isHeld(statistics.jobs);
        if (!statistics.held)
            decide(found.chosen, failedBefore, statistics, stop, deadline);
        if (!statistics.held && !statistics.dryRun)
            _allocations.release(*_store, stop, deadline);
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
    if (statistics.nextHang)
        return std::max<milliseconds>(std::chrono::ceil<milliseconds>(*statistics.nextHang - now),
                                      leastPause);
    return std::nullopt;
}

HungJobs HangDetector::search(const std::vector<JobId>& failedBefore, RunStatistics& statistics)
/// Chosen are the jobs that have the places of this run. Those that a run can do nothing for, or has told
/// of already, get what the others leave.
{
    const auto start = Clock::now();
    std::vector<JobId> last = failedBefore;
    std::ranges::copy(_previewedJobs.known(start), std::back_inserter(last));
    std::ranges::copy(_allocations.explained(), std::back_inserter(last));
    HungJobs hung = _store->findHungJobs({.thresholds = thresholdsIn(_settings),
                                          .lookAhead = lookAheadIn(_settings),
                                          .most = _settings.maxJobsPerRun,
                                          .last = std::move(last),
                                          .watched = _revivalWatch.due(_settings.interval, start)});
    const auto took = Clock::now() - start;
    statistics.hasSearched = true;
    statistics.jobs = hung.counts;
    statistics.left = hung.counts.backlog() - static_cast<std::int64_t>(hung.chosen.size());
    if (hung.untilNext)
        statistics.nextHang = Clock::now() + *hung.untilNext;
    _indexAdvice.searchTook(took, *_store);
    return hung;
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

void HangDetector::decide(const std::vector<JobId>& chosen, const std::vector<JobId>& failedBefore,
                          RunStatistics& statistics, const std::stop_token& stop, Clock::time_point deadline)
{
    std::vector<JobId> jobs = withoutExplained(chosen, statistics, stop, deadline);
    if (statistics.dryRun)
        preview(jobs, statistics, stop);
    else
        terminate(std::move(jobs), failedBefore, statistics, stop);
}

std::vector<JobId> HangDetector::withoutExplained(const std::vector<JobId>& jobs, RunStatistics& statistics,
                                                  const std::stop_token& stop, Clock::time_point deadline)
/// Those that Slurm has no explanation for; the others are skipped.
{
    // A dry run releases nothing.
    if (jobs.empty() && (statistics.dryRun || !_allocations.isUnfinished()))
        return jobs;
    const std::set<JobId> explained = _allocations.askForExplained(_settings.hungJobDuration, stop, deadline);
    std::vector<JobId> rest;
    for (const JobId& job : jobs) {
        if (!explained.contains(job)) {
            rest.push_back(job);
            continue;
        }
        Termination skipped;
        skipped.jobId = job;
        skipped.outcome = Outcome::suspended;
        report(skipped, statistics);
    }
    return rest;
}

void HangDetector::terminate(std::vector<JobId> jobs, const std::vector<JobId>& failedBefore,
                             RunStatistics& statistics, const std::stop_token& stop)
/// In batches; but a job that failed before gets a statement of its own, after the others, so
/// that it takes nobody with it.
{
    const auto failed = [&](const JobId& job) { return std::ranges::binary_search(failedBefore, job); };
    std::ranges::stable_sort(jobs, {}, failed);
    const auto alone = std::ranges::find_if(jobs, failed);
    const auto terminateBatch = [&](std::span<const JobId> batch) { terminateAtOnce(batch, statistics); };
    inBatches({jobs.begin(), alone}, batchSize, stop, terminateBatch);
    inBatches({alone, jobs.end()}, 1, stop, terminateBatch);
}

void HangDetector::terminateAtOnce(std::span<const JobId> jobs, RunStatistics& statistics)
{
    try {
        _store->terminate(jobs, thresholdsIn(_settings),
                          [&](const Termination& job) { report(job, statistics); });
    } catch (const DatabaseError& error) {
        // A trigger can bring about any error for one job, even the end of the session.
        if (jobs.size() > 1 || statistics.terminated.empty() || isEverybodys(error)) {
            const std::set<JobId> terminated(statistics.terminated.begin(), statistics.terminated.end());
            for (const JobId& job : jobs) {
                if (!terminated.contains(job))
                    _failedJobs.suspect(job, Clock::now());
            }
            throw;
        }
        report(failedTermination(jobs.front(), error), statistics);
    }
}

void HangDetector::preview(const std::vector<JobId>& jobs, RunStatistics& statistics,
                           const std::stop_token& stop)
{
    inBatches(jobs, batchSize, stop, [&](std::span<const JobId> batch) {
        for (const Termination& job : _store->preview(batch, thresholdsIn(_settings)))
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
                _notifications.postNotification(
                    new JobWouldBeTerminated(job, thresholdsIn(_settings).of(job.reason)));
            return;
        }
        statistics.terminated.push_back(job.jobId);
        _revivalWatch.add({job.jobId, job.updatedAt}, Clock::now());
        _failedJobs.remove(job.jobId);
        _notifications.postNotification(new JobTerminated(job, thresholdsIn(_settings).of(job.reason)));
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
