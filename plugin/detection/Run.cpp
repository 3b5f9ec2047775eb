// One run of the detector: Run::work() has its steps, in their order. Most runs end after the search, without
// a job to terminate.
//
// All of it runs in the detector's thread (PeriodicTask), which alone uses the settings, the memory, the
// connection and the observers; these are called at once. Other threads share with it only the stop and its
// queue, an open question to Slurm (a thread hang_slurm), the number of marks that job_submit has seen, and
// the log.
//
// A statement reaches libpq in three hops: JobStore::rowsOf(), the connector's StatementImpl below
// Poco::Data, and SessionImpl::execute(), which sends it and waits in awaitAnswer(). That looks for a stop
// and the deadline every 50 ms, and lets a thread pq_cancel cancel the statement.

#include "Run.h"

#include "data/Wording.h"
#include "data/Words.h"

#include <Poco/Exception.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <exception>
#include <iterator>
#include <mutex>
#include <random>
#include <string>
#include <utility>

namespace HangDetection {

namespace {

std::chrono::seconds lookAheadIn(const Settings& settings)
/// A job that will be hung within this time has fallen silent together with the jobs that are hung now. It is
/// not just between two reports: it has been silent for half of the threshold at least, and a worker reports
/// several times a minute, and many times in half of the threshold.
{
    return std::min(std::chrono::seconds(60), settings.hungJobDuration / 2);
}

void waitFor(std::chrono::milliseconds time, const std::stop_token& stop)
/// Throws RunStopped when a stop is requested.
{
    std::mutex mutex;
    std::condition_variable_any stopped;
    std::unique_lock lock(mutex);
    stopped.wait_for(lock, stop, time, [] { return false; });
    if (stop.stop_requested())
        throw RunStopped();
}

using Places = std::array<std::size_t, 3>;
/// Of three kinds of jobs.

Places share(std::size_t places, const Places& wanted, std::minstd_rand& random)
/// Each kind gets the same number, and what the others do not need. Which one comes first is random, because
/// there may be only one place.
{
    Places given{};
    std::array<std::size_t, given.size()> order{0, 1, 2};
    std::ranges::shuffle(order, random);
    while (places > 0 && given != wanted) {
        for (const std::size_t kind : order) {
            if (places == 0 || given.at(kind) == wanted.at(kind))
                continue;
            ++given.at(kind);
            --places;
        }
    }
    return given;
}

} // namespace

Run::Run(Memory& memory, const std::stop_token& stop)
    : _memory(memory), _evidence(memory), _stalls(memory), _limit{stop, _start + memory.settings.runTimeout}
{
    _statistics.dryRun = memory.settings.dryRun;
    _statistics.mayAskScheduler = memory.allocations.isAsked();
}

RunStatistics Run::carryOut()
{
    try {
        work();
    } catch (const RunStopped&) {
        _statistics.stopped = true;
    } catch (const DatabaseError& error) {
        _statistics.stopped = _limit.stop.stop_requested();
        if (!_statistics.stopped)
            _statistics.error = errorFrom(error);
    } catch (const Poco::Exception& exception) {
        _statistics.error = RunError{"unexpected error: " + exception.displayText()};
    } catch (const std::exception& exception) {
        // Out of memory or threads, or a defect. It ends this run only.
        _statistics.error = RunError{std::string("unexpected error: ") + exception.what()};
    }
    conclude();
    return _statistics;
}

void Run::work()
{
    _failedBefore = _memory.failedJobs.known(_start);
    _memory.store->open(_limit);
    askForLostAnswers();
    _stalls.follow();
    std::vector<SeenJob> chosen = look();
    if (_isUnsure)
        chosen = lookAgain();
    std::vector<StalledJob> stalled;
    if (_isUnsure)
        _stalls.repeatLastCount(_statistics);
    else
        stalled = _stalls.find(thresholds(), _failedBefore, _limit, _statistics);
    const bool isAnySilent = !chosen.empty() || !stalled.empty();
    if (!_isUnsure && !std::exchange(_memory.isConnectionTold, true))
        _memory.notifications.postNotification(
            new DatabaseConnected(_memory.store->facts(), _statistics.jobs));
    const bool isDue = _evidence.isDue();
    if (isAnySilent || isDue)
        askScheduler(isAnySilent);
    _statistics.held = judgeMassHang();
    if (_statistics.held) {
        chosen.clear();
        stalled.clear();
    }
    sharePlaces(chosen, stalled);
    if (chosen.empty() && stalled.empty() && !isDue)
        return;
    dropSuspended(chosen, stalled);
    if (_statistics.dryRun) {
        preview(chosen, stalled);
        return;
    }
    dropTakenBack(chosen);
    terminate(std::move(chosen));
    _memory.lockedJobs.report(*_memory.store, Clock::now());
    _statistics.leftover = _evidence.release(_hungErrors, _limit);
    cancel(std::move(stalled));
}

void Run::askForLostAnswers()
{
    try {
        _memory.lostAnswers.ask(*_memory.store, _start,
                                [&](const Termination& job, const Thresholds& thresholds) {
                                    if (job.outcome == Outcome::terminated)
                                        tellTerminated(job, thresholds.of(job.reason));
                                    else
                                        report(job);
                                });
    } catch (const DatabaseError&) {
        // The next run asks again. If the connection is lost, the search fails, too.
    }
}

std::vector<SeenJob> Run::look()
/// Returns the jobs that this run is to terminate. Jobs that it probably cannot terminate, and jobs that a
/// dry run has logged already, get only the places that are left.
{
    _lookedAt = Clock::now();
    std::vector<JobId> last(_failedBefore.begin(), _failedBefore.end());
    for (const auto& [job, logged] : _memory.previewedJobs.known(_lookedAt))
        last.push_back(job);
    std::ranges::copy(_memory.allocations.suspended(_memory.settings.hungJobDuration),
                      std::back_inserter(last));
    _memory.looks.begin(_lookedAt, _memory.store->sessions());
    const auto earlier = _memory.looks.find(_lookedAt);
    FoundJobs found = search({.thresholds = thresholds(),
                              .lookAhead = lookAheadIn(_memory.settings),
                              .places = _memory.settings.maxJobsPerRun,
                              .last = std::move(last),
                              .terminated = _memory.terminatedJobs.due(_memory.settings.interval, _lookedAt),
                              .earlier = earlier ? earlier->look : Look()});
    const auto answered = Clock::now();
    const auto took = answered - _lookedAt;
    _lookTime = found.look.time;
    const auto added = _memory.looks.add(found.look, _lookedAt, answered);
    if (added.gap > EarlierLooks::tolerance)
        _memory.notifications.postNotification(
            new SilenceNotCounted(std::chrono::duration_cast<std::chrono::seconds>(added.gap)));
    _statistics.hasSearched = true;
    _isUnsure = earlier ? judgeClock(found.heartbeatAge, earlier->time) : found.doubtful > 0;
    _isUnsure = _isUnsure || added.isUnsure;
    if (_isUnsure)
        found.chosen.clear();
    // If the earlier look was long ago, a worker may have reported after it, and have died then. Its job may
    // be past the threshold already. Only a second look can show this.
    const bool wasLongAgo = earlier && _lookedAt - earlier->time > 2 * _memory.looks.apart();
    _wantsSecondLook = _isUnsure || (wasLongAgo && found.doubtful > 0);
    _statistics.jobs = found.counts;
    _statistics.left = found.counts.backlog() - static_cast<std::int64_t>(found.chosen.size());
    _nextHang = found.untilNext ? std::optional(Clock::now() + *found.untilNext) : std::nullopt;
    if (found.areTerminatedTouched)
        _memory.terminatedJobs.reportRevived(*_memory.store);
    _memory.indexAdvice.searchTook(took, *_memory.store);
    return std::move(found.chosen);
}

FoundJobs Run::search(const JobStore::Search& search)
{
    try {
        return _memory.store->findJobs(search);
    } catch (const DatabaseError& error) {
        // No row of a table can fail the search, so a parameter is wrong.
        if (error.scope() == DatabaseError::Scope::job)
            _memory.forgetJobs();
        throw;
    }
}

std::vector<SeenJob> Run::lookAgain()
{
    // The wait between two looks does not count for RunTimeout. A run whose time is over does not wait: its
    // search fails.
    if (Clock::now() < _limit.deadline) {
        _memory.looks.expectNext(Clock::now() + _memory.looks.apart());
        waitFor(_memory.looks.apart(), _limit.stop);
        _limit.deadline += _memory.looks.apart();
        _memory.store->open(_limit);
    }
    return look();
}

bool Run::judgeClock(std::optional<Milliseconds> heartbeatAge, Clock::time_point earlierLook)
/// True when the last look did not know yet how much the clock of the heartbeats is behind.
{
    const auto verdict = _memory.clockLag.judge(heartbeatAge, earlierLook, _lookedAt);
    if (verdict == ClockLag::Verdict::began)
        _memory.notifications.postNotification(new ClockLagBegan(_memory.clockLag.known()));
    if (verdict == ClockLag::Verdict::ended)
        _memory.notifications.postNotification(new ClockLagEnded);
    return verdict == ClockLag::Verdict::began || _memory.clockLag.isSuspected();
}

void Run::askScheduler(bool isAnySilent)
{
    _evidence.ask(isAnySilent, _limit);
    if (!_isUnsure)
        _statistics.withoutAllocation = _evidence.judgeEnds(thresholds().endedLag);
}

void Run::sharePlaces(std::vector<SeenJob>& jobs, std::vector<StalledJob>& stalled)
/// Adds the jobs whose worker has ended, and leaves each kind as many jobs as this run has places for.
{
    std::vector<SeenJob> ended = _evidence.ends().dead;
    std::set<JobId> dead;
    for (const SeenJob& job : ended)
        dead.insert(job.jobId);
    std::erase_if(jobs, [&](const SeenJob& job) { return dead.contains(job.jobId); });
    std::set<JobId> explained;
    for (const MarkedJob& job : _evidence.ends().explained)
        explained.insert(job.job.jobId);
    std::erase_if(stalled, [&](const StalledJob& job) { return explained.contains(job.jobId); });

    std::minstd_rand random(std::random_device{}());
    std::ranges::shuffle(ended, random);
    const auto& previewed = _memory.previewedJobs.known(_lookedAt);
    std::stable_partition(ended.begin(), ended.end(), [&](const SeenJob& job) {
        return !_failedBefore.contains(job.jobId) && !previewed.contains(job.jobId);
    });
    const Places wanted{jobs.size(), ended.size(), stalled.size()};
    const auto [ofJobs, ofEnded, ofStalled] =
        share(static_cast<std::size_t>(_memory.settings.maxJobsPerRun), wanted, random);
    _statistics.left += static_cast<std::int64_t>(jobs.size() + ended.size() + stalled.size()) -
                        static_cast<std::int64_t>(ofJobs + ofEnded + ofStalled);
    jobs.resize(ofJobs);
    stalled.resize(ofStalled);
    jobs.insert(jobs.begin(), ended.begin(), ended.begin() + static_cast<std::ptrdiff_t>(ofEnded));
}

JobCounts Run::countsWithoutEnded() const
/// Jobs whose Slurm job has ended are silent for a reason that the mass hang does not share.
{
    JobCounts jobs = _statistics.jobs;
    const auto hung = thresholds().withLag(Reason::hung);
    for (const MarkedJob& job : _evidence.ends().explained) {
        jobs.running -= 1;
        jobs.silent -= job.silent >= hung - lookAheadIn(_memory.settings) ? 1 : 0;
        jobs.hung -= job.silent >= hung ? 1 : 0;
    }
    jobs.silent = std::max<std::int64_t>(jobs.silent, 0);
    jobs.hung = std::max<std::int64_t>(jobs.hung, 0);
    return jobs;
}

bool Run::judgeMassHang()
{
    if (_isUnsure)
        return _memory.massHang.holdLeft(_start).has_value();
    return _memory.massHang.isHeld<Mass::hang>(countsWithoutEnded(), _memory.notifications,
                                               _statistics.dryRun);
}

void Run::dropSuspended(std::vector<SeenJob>& jobs, std::vector<StalledJob>& stalled)
{
    const JobAllocations& allocations = _memory.allocations;
    const auto ofHung = allocations.explained(_memory.settings.hungJobDuration);
    drop(
        jobs, [&](const SeenJob& job) { return !job.workerEnd && ofHung.contains(job.jobId); },
        Outcome::suspended);
    const auto ofStalled = allocations.explained(_memory.settings.stalledJobDuration);
    drop(
        stalled, [&](const StalledJob& job) { return ofStalled.contains(job.jobId); }, Outcome::suspended);
}

void Run::dropTakenBack(std::vector<SeenJob>& jobs)
{
    const TerminatedJobs& terminated = _memory.terminatedJobs;
    drop(
        jobs, [&](const SeenJob& job) { return terminated.isTakenBack(job.jobId); }, Outcome::takenBack);
}

template <typename Job, typename Predicate>
void Run::drop(std::vector<Job>& jobs, Predicate predicate, Outcome outcome)
{
    std::erase_if(jobs, [&](const Job& job) {
        if (!predicate(job))
            return false;
        Termination answer;
        answer.jobId = job.jobId;
        answer.outcome = outcome;
        answer.error = wordFor(outcome).error;
        report(answer);
        return true;
    });
}

template <typename Job, typename Action>
void Run::inBatches(std::span<const Job> jobs, std::size_t size, Action action)
{
    while (!jobs.empty()) {
        if (_limit.stop.stop_requested())
            throw RunStopped();
        const auto batch = jobs.first(std::min(jobs.size(), size));
        action(batch);
        jobs = jobs.subspan(batch.size());
    }
}

void Run::preview(const std::vector<SeenJob>& jobs, const std::vector<StalledJob>& stalled)
{
    const auto reportAll = [&](const std::vector<Termination>& answers) {
        for (const Termination& job : answers)
            report(job);
    };
    inBatches(std::span(jobs), batchSize, [&](std::span<const SeenJob> batch) {
        reportAll(_memory.store->preview(batch, thresholds()));
    });
    inBatches(std::span(stalled), batchSize, [&](std::span<const StalledJob> batch) {
        reportAll(_memory.store->previewCancels(batch, thresholds()));
    });
}

template <typename Job, typename Action>
void Run::inTurn(std::vector<Job> jobs, Action action)
/// In batches. But a job that failed before gets its own statement, after the others, so that its error
/// affects no other job.
{
    const auto failed = [&](const Job& job) { return _failedBefore.contains(job.jobId); };
    std::ranges::stable_sort(jobs, {}, failed);
    const auto alone = std::ranges::find_if(jobs, failed);
    inBatches(std::span<const Job>(jobs.begin(), alone), batchSize, action);
    inBatches(std::span<const Job>(alone, jobs.end()), 1, action);
}

void Run::terminate(std::vector<SeenJob> jobs)
{
    LostAnswers& lostAnswers = _memory.lostAnswers;
    inTurn(std::move(jobs), [&](std::span<const SeenJob> batch) {
        lostAnswers.expect(batch, {.jobs = {}, .thresholds = thresholds(), .since = _lookTime},
                           Clock::now() + _memory.settings.runTimeout);
        try {
            _memory.store->terminate(batch, thresholds(), [&](const Termination& job) {
                report(job);
                lostAnswers.answered(job);
                _memory.lockedJobs.answered(job, Clock::now());
            });
            lostAnswers.settled();
        } catch (const DatabaseError& error) {
            if (!error.isOutcomeUnknown())
                lostAnswers.settled();
            blame(batch, error, !_statistics.terminated.empty());
        }
    });
}

void Run::cancel(std::vector<StalledJob> jobs)
{
    CanceledJobs& canceled = _memory.canceledJobs;
    try {
        inTurn(std::move(jobs), [&](std::span<const StalledJob> batch) {
            canceled.expect(batch, Clock::now() + _memory.settings.runTimeout);
            try {
                _memory.store->cancel(batch, thresholds(), [&](const Termination& job) {
                    report(job);
                    canceled.answered(job);
                });
                canceled.settled();
            } catch (const DatabaseError& error) {
                if (!error.isOutcomeUnknown())
                    canceled.settled();
                blame(batch, error, _statistics.canceled > 0);
            }
        });
    } catch (const DatabaseError& error) {
        if (error.scope() == DatabaseError::Scope::connection || _limit.isReached())
            throw;
        _stalls.tellUnknown(error);
    }
}

template <typename Job>
void Run::blame(std::span<const Job> batch, const DatabaseError& error, bool haveOthersSucceeded)
/// A trigger can cause any error for one job, and can even end the session. When the same has succeeded for
/// others in this run, the job is at fault, unless the error concerns every job. Throws the error if the job
/// is not known to be.
{
    const bool isOfTheJob =
        batch.size() == 1 && haveOthersSucceeded && !error.cannotBeOfOneJob() && !error.isOutcomeUnknown();
    if (isOfTheJob) {
        report(failureOf(batch.front(), error));
        return;
    }
    for (const Job& job : batch) {
        if (!_changed.contains(job.jobId))
            _memory.failedJobs.suspect(job.jobId, Clock::now());
    }
    throw DatabaseError(error);
}

void Run::report(const Termination& job)
{
    switch (wordFor(job.outcome).effect) {
    case Effect::terminated:
        reportTerminated(job);
        return;
    case Effect::canceled:
        reportCanceled(job);
        return;
    case Effect::failed:
        ++_statistics.failed;
        _memory.notifications.postNotification(
            new JobFailed(job, !_memory.failedJobs.add(job, Clock::now())));
        return;
    case Effect::skipped:
        break;
    }
    if (job.outcome == Outcome::locked) {
        ++_statistics.locked;
    } else if (job.outcome == Outcome::suspended) {
        ++_statistics.suspended;
    } else {
        ++_statistics.ineligible;
        _memory.failedJobs.remove(job.jobId);
    }
    _memory.notifications.postNotification(new JobSkipped(job));
}

void Run::reportTerminated(const Termination& job)
{
    const auto threshold = thresholds().of(job.reason);
    if (_statistics.dryRun) {
        ++_statistics.wouldTerminate;
        if (_memory.previewedJobs.add(job.jobId, Clock::now()))
            _memory.notifications.postNotification(new JobWouldBeTerminated(job, threshold));
        return;
    }
    _statistics.terminated.push_back(job.jobId);
    _changed.insert(job.jobId);
    if (job.reason == Reason::hung)
        _hungErrors.emplace(job.jobId, Wording::of(job.reason, threshold).error);
    tellTerminated(job, threshold);
}

void Run::reportCanceled(const Termination& job)
{
    const auto threshold = _memory.settings.stalledJobDuration;
    if (_statistics.dryRun) {
        ++_statistics.wouldCancel;
        if (_memory.previewedCancels.add(job.jobId, Clock::now()))
            _memory.notifications.postNotification(new JobWouldBeCanceled(job, threshold));
        return;
    }
    ++_statistics.canceled;
    _changed.insert(job.jobId);
    _memory.failedJobs.remove(job.jobId);
    _memory.notifications.postNotification(new JobCanceled(job, threshold));
}

void Run::tellTerminated(const Termination& job, std::chrono::seconds threshold)
{
    _memory.terminatedJobs.add({job.jobId, job.updatedAt}, Clock::now());
    _memory.failedJobs.remove(job.jobId);
    _memory.notifications.postNotification(new JobTerminated(job, threshold));
}

RunError Run::errorFrom(const DatabaseError& raised) const
{
    const DatabaseError error =
        Clock::now() < _limit.deadline ? raised : raised.afterRunTimeout(_memory.settings.runTimeout);
    return {error.what(), error.sqlState(), error.advice(), error.kind(), !error.isOfThisMachine()};
}

void Run::conclude()
{
    _statistics.duration = std::chrono::duration_cast<Milliseconds>(Clock::now() - _start);
    // The session itself may be the cause, as after a change of its search_path, and would stay so.
    if (_statistics.error)
        _memory.store->close();
    // A termination that failed at once says nothing of the time before: the database had just searched. But
    // while one waited for long, no worker may have been able to report.
    const bool hasWaited = Clock::now() - _lookedAt > EarlierLooks::patience;
    if (_statistics.error && (!_statistics.hasSearched || hasWaited))
        _memory.looks.missed(_start);
    // The server may begin a little later with a statement that was sent before the connection was closed.
    _memory.lostAnswers.lost(_lookTime +
                             std::chrono::ceil<std::chrono::microseconds>(Clock::now() - _lookedAt) +
                             EarlierLooks::tolerance);
    _statistics.pause = nextPause();
    const Milliseconds interval = _memory.settings.interval;
    _memory.looks.expectNext(Clock::now() + std::min(_statistics.pause.value_or(interval), interval),
                             _statistics.error.has_value());
    _memory.notifications.postNotification(new RunFinished(_statistics));
}

std::optional<Run::Milliseconds> Run::nextPause()
{
    if (_statistics.error)
        return _memory.retryPause.next(_memory.settings.interval);
    _memory.retryPause.reset();
    const auto untilHang = pauseUntilHang();
    const auto untilEnd = _evidence.untilNextLook();
    if (!untilEnd)
        return untilHang;
    const Milliseconds pause = std::max<Milliseconds>(std::chrono::ceil<Milliseconds>(*untilEnd), leastPause);
    return std::min(pause, untilHang.value_or(pause));
}

std::optional<Run::Milliseconds> Run::pauseUntilHang() const
{
    const auto now = Clock::now();
    if (const auto holdLeft = _memory.massHang.holdLeft(now))
        return std::max(std::chrono::ceil<Milliseconds>(*holdLeft), Milliseconds(0));
    // If no job of the backlog can be terminated, more runs do not shorten it.
    if (_statistics.left > 0 && !_changed.empty())
        return leastPause;
    if (_wantsSecondLook)
        return _memory.looks.apart();
    if (!_nextHang)
        return std::nullopt;
    const auto untilHang = std::chrono::ceil<Milliseconds>(
        std::min(*_nextHang - now, untilThresholdsChange().value_or(Clock::duration::max())));
    const auto apart = _memory.looks.apart();
    // One more look comes before the job is hung. Then the look at its threshold has an earlier one to
    // compare with, and the termination need not wait for a second look.
    return std::max<Milliseconds>(untilHang > 2 * apart ? untilHang - apart : untilHang, leastPause);
}

std::optional<Run::Clock::duration> Run::untilThresholdsChange() const
{
    std::optional<Clock::duration> first;
    for (const auto threshold : {_memory.settings.hungJobDuration, _memory.settings.pendingJobDuration}) {
        const auto change = _memory.looks.delay(threshold, Clock::now()).changesIn;
        if (change)
            first = std::min<Clock::duration>(first.value_or(*change), *change);
    }
    return first;
}

Thresholds Run::thresholds() const
{
    const Settings& settings = _memory.settings;
    const auto now = Clock::now();
    const auto lag = _memory.clockLag.known();
    return {.hung = settings.hungJobDuration,
            .pending = settings.pendingJobDuration,
            .ended = settings.endedJobDuration,
            .stalled = settings.stalledJobDuration,
            .lag = lag + _memory.looks.delay(settings.hungJobDuration, now).length,
            .pendingLag = _memory.looks.delay(settings.pendingJobDuration, now).length,
            .endedLag = lag + _memory.looks.delay(settings.endedJobDuration, now).length,
            .stalledLag = lag + _memory.looks.delay(settings.stalledJobDuration, now).length};
}

} // namespace HangDetection
