#include "RunLog.h"

#include "LogLine.h"
#include "data/Words.h"

#include <Poco/Ascii.h>

#include <utility>

namespace HangDetection {

namespace {

/// How many errors of one outage are logged at most, even if they differ each time.
constexpr std::size_t warningsOfAnOutage = 5;

void addNames(LogLine& line, const Termination& job)
{
    for (const auto& [key, name] :
         {std::pair("workspace", job.workspace), {"owner", job.owner}, {"template", job.templateName}}) {
        if (!name.empty())
            line.add(key, name);
    }
    if (!job.daemon.empty())
        line.add("daemon", job.daemon);
    if (job.daemonSeen)
        line.add("daemon_seen_s", job.daemonSeen->count());
}

std::string lineOf(const std::string& event, const Termination& job, std::chrono::seconds threshold)
/// A dry run logs the same text as a termination.
{
    LogLine line(event);
    line.add("job_id", job.jobId).add("reason", nameOf(job.reason));
    if (job.workerEnd)
        line.add("slurm_job", job.workerEnd->schedulerJob).add("slurm_state", job.workerEnd->state);
    line.add("type", job.type)
        .add("silent_s", job.silent.count())
        .add("threshold_s", threshold.count())
        .add("stage", job.stage);
    if (!job.workspaceId.empty())
        line.add("workspace_id", job.workspaceId).add("build_number", job.buildNumber);
    line.add("state", nameOf(job.state));
    addNames(line, job);
    if (job.isAnswerLost)
        line.add("note", "the answer of the database was lost; another detector with the same threshold may "
                         "have terminated the job in that moment");
    return line.text();
}

std::string lineOfCancel(const std::string& event, const Termination& job, std::chrono::seconds threshold)
{
    LogLine line(event);
    line.add("job_id", job.jobId);
    if (!job.isAnswerLost)
        line.add("type", job.type)
            .add("log_silent_s", job.silent.count())
            .add("threshold_s", threshold.count())
            .add("stage", job.stage);
    if (!job.workspaceId.empty())
        line.add("workspace_id", job.workspaceId).add("build_number", job.buildNumber);
    addNames(line, job);
    if (job.isAnswerLost)
        line.add("note", "the answer of the database was lost");
    return line.text();
}

std::string_view keyOf(const Mark& mark)
{
    return mark.kind == Mark::Kind::job ? "job_id" : "daemon";
}

} // namespace

template <typename N>
Subscription<N> RunLog::to(Poco::NotificationCenter& center, void (RunLog::*handler)(const N&))
{
    return {center, "RunLog", _logger,
            [this, handler](const N& notification) { (this->*handler)(notification); }};
}

RunLog::RunLog(Poco::NotificationCenter& center, Poco::Logger& logger)
    : _logger(logger),
      _terminated(to(center, &RunLog::onJobTerminated)),
      _wouldBeTerminated(to(center, &RunLog::onJobWouldBeTerminated)),
      _canceled(to(center, &RunLog::onJobCanceled)),
      _wouldBeCanceled(to(center, &RunLog::onJobWouldBeCanceled)),
      _cancelFollowed(to(center, &RunLog::onCancelFollowed)),
      _cancelIgnored(to(center, &RunLog::onCancelIgnored)),
      _stallsUnknown(to(center, &RunLog::onStallsUnknown)),
      _skipped(to(center, &RunLog::onJobSkipped)),
      _failed(to(center, &RunLog::onJobFailed)),
      _lockedLong(to(center, &RunLog::onJobLockedLong)),
      _revived(to(center, &RunLog::onJobRevived)),
      _clockLagBegan(to(center, &RunLog::onClockLagBegan)),
      _clockLagEnded(to(center, &RunLog::onClockLagEnded)),
      _silenceNotCounted(to(center, &RunLog::onSilenceNotCounted)),
      _massHangBegan(to(center, &RunLog::onMassHangBegan)),
      _massHangEnded(to(center, &RunLog::onMassHangEnded)),
      _massStallBegan(to(center, &RunLog::onMassStallBegan)),
      _massStallEnded(to(center, &RunLog::onMassStallEnded)),
      _databaseConnected(to(center, &RunLog::onDatabaseConnected)),
      _indexMissing(to(center, &RunLog::onIndexMissing)),
      _released(to(center, &RunLog::onAllocationReleased)),
      _kept(to(center, &RunLog::onAllocationKept)),
      _unknown(to(center, &RunLog::onAllocationsUnknown)),
      _known(to(center, &RunLog::onAllocationsKnown)),
      _leftover(to(center, &RunLog::onAllocationLeftover)),
      _withoutAllocation(to(center, &RunLog::onJobWithoutAllocation)),
      _outlived(to(center, &RunLog::onWorkerOutlivedItsEnd)),
      _daemonsUnknown(to(center, &RunLog::onDaemonsUnknown)),
      _finished(to(center, &RunLog::onRunFinished))
{}

void RunLog::onJobTerminated(const JobTerminated& notification)
{
    _logger.information(lineOf("job terminated", notification.job, notification.threshold));
}

void RunLog::onJobWouldBeTerminated(const JobWouldBeTerminated& notification)
{
    _logger.information(lineOf("would terminate", notification.job, notification.threshold));
}

void RunLog::onJobCanceled(const JobCanceled& notification)
{
    _logger.information(lineOfCancel("job canceled", notification.job, notification.threshold));
}

void RunLog::onJobWouldBeCanceled(const JobWouldBeCanceled& notification)
{
    _logger.information(lineOfCancel("would cancel", notification.job, notification.threshold));
}

void RunLog::onCancelFollowed(const CancelFollowed& notification)
{
    _logger.debug(LogLine("canceled job is over")
                      .add("job_id", notification.jobId)
                      .add("after_s", notification.time.count())
                      .text());
}

void RunLog::onCancelIgnored(const CancelIgnored& notification)
{
    LogLine line("canceled job still runs");
    line.add("job_id", notification.job.jobId).add("canceled_s", notification.time.count());
    addNames(line, notification.job);
    _logger.warning(line.add("advice",
                             "its worker reports, but does not stop; look at Terraform there, or end the "
                             "worker: then the job is terminated as hung")
                        .text());
}

void RunLog::onStallsUnknown(const StallsUnknown& notification)
{
    _logger.warning(LogLine("stalled jobs are left alone")
                        .add("error", notification.error)
                        .add("advice", notification.advice)
                        .text());
}

void RunLog::onJobSkipped(const JobSkipped& notification)
{
    const Termination& job = notification.job;
    _logger.debug(LogLine("job skipped").add("job_id", job.jobId).add("cause", nameOf(job.outcome)).text());
}

void RunLog::onJobFailed(const JobFailed& notification)
{
    const Termination& job = notification.job;
    LogLine line(job.isCancel ? "job not canceled" : "job not terminated");
    line.add("job_id", job.jobId).add("error", job.error);
    if (!job.sqlState.empty())
        line.add("sqlstate", job.sqlState);
    if (notification.isKnown)
        _logger.debug(line.text());
    else
        _logger.error(line.text());
}

void RunLog::onJobLockedLong(const JobLockedLong& notification)
{
    LogLine line("job is locked by another session");
    line.add("job_id", notification.jobId).add("locked_s", notification.time.count());
    if (notification.holder)
        line.add("pid", notification.holder->process)
            .add("role", notification.holder->role)
            .add("application", notification.holder->application);
    _logger.warning(line.add("advice",
                             "a hung job cannot be terminated while it is locked; end that session, "
                             "see pg_locks and pg_stat_activity")
                        .text());
}

void RunLog::onJobRevived(const JobRevived& notification)
{
    _logger.warning(LogLine("job was alive although it was terminated")
                        .add("job_id", notification.job.jobId)
                        .add("since_then", notification.job.sinceThen())
                        .add("advice", "its worker was cut off for longer than the threshold; find out why, "
                                       "or raise the threshold")
                        .text());
}

void RunLog::onClockLagBegan(const ClockLagBegan& notification)
{
    _logger.warning(LogLine("heartbeats have times of the past")
                        .add("lag_s", notification.lag.count())
                        .add("advice", "the clock of the Coder server is behind that of the database; set it "
                                       "right. Until then jobs are hung only that much later")
                        .text());
}

void RunLog::onClockLagEnded(const ClockLagEnded&)
{
    _logger.information("heartbeats are on time again");
}

void RunLog::onSilenceNotCounted(const SilenceNotCounted& notification)
{
    _logger.information(LogLine("workers could not report for a while, this does not count as silence")
                            .add("gap_s", notification.gap.count())
                            .text());
}

void RunLog::onMassHangBegan(const MassHangBegan& notification)
{
    _logger.warning(
        LogLine(notification.dryRun ? "mass hang, no job would be terminated for now"
                                    : "mass hang, no job is terminated for now")
            .add("hung", notification.counts.hung)
            .add("silent", notification.counts.silent)
            .add("running", notification.counts.running)
            .add("hold_s", notification.hold.count())
            .add("advice",
                 "something upstream of the jobs is probably down, such as the Coder "
                 "server or its way to the database; jobs that report again within hold_s are spared")
            .text());
}

void RunLog::onMassHangEnded(const MassHangEnded& notification)
{
    _logger.information(LogLine(notification.dryRun ? "mass hang over, hung jobs would be terminated again"
                                                    : "mass hang over, hung jobs are terminated again")
                            .add("hung", notification.counts.hung)
                            .add("silent", notification.counts.silent)
                            .add("running", notification.counts.running)
                            .text());
}

void RunLog::onMassStallBegan(const MassStallBegan& notification)
{
    _logger.warning(
        LogLine(notification.dryRun ? "mass stall, no job would be canceled for now"
                                    : "mass stall, no job is canceled for now")
            .add("stalled", notification.counts.stalled.value_or(0))
            .add("running", notification.counts.running)
            .add("hold_s", notification.hold.count())
            .add("advice",
                 "something that the jobs wait for is probably stuck, such as a cloud or a registry; "
                 "jobs that go on within hold_s are spared")
            .text());
}

void RunLog::onMassStallEnded(const MassStallEnded& notification)
{
    _logger.information(LogLine(notification.dryRun ? "mass stall over, stalled jobs would be canceled again"
                                                    : "mass stall over, stalled jobs are canceled again")
                            .add("stalled", notification.counts.stalled.value_or(0))
                            .add("running", notification.counts.running)
                            .text());
}

void RunLog::onDatabaseConnected(const DatabaseConnected& notification)
{
    _logger.information(LogLine("database connected")
                            .add("server", notification.facts.server)
                            .add("tls", notification.facts.tls.empty() ? "no" : notification.facts.tls)
                            .add("schema", notification.facts.schema)
                            .add("running", notification.counts.running)
                            .add("hung", notification.counts.hung)
                            .text());
}

void RunLog::onIndexMissing(const IndexMissing& notification)
{
    _logger.information(LogLine("search takes long without an index")
                            .add("search_ms", notification.searchTime.count())
                            .add("advice", "run the hang detector's role.sql again; if Coder has no index on "
                                           "job_status, let the owner of "
                                           "its tables run index.sql")
                            .text());
}

void RunLog::onAllocationReleased(const AllocationReleased& notification)
{
    _logger.information(LogLine("allocation released")
                            .add(keyOf(notification.mark), notification.mark.text)
                            .add("slurm_job", notification.schedulerJob)
                            .text());
}

void RunLog::onAllocationKept(const AllocationKept& notification)
{
    const std::string line = LogLine("allocation not released")
                                 .add(keyOf(notification.mark), notification.mark.text)
                                 .add("slurm_job", notification.schedulerJob)
                                 .add("error", notification.error)
                                 .text();
    if (notification.isKnown)
        _logger.debug(line);
    else
        _logger.warning(line);
}

void RunLog::onAllocationsUnknown(const AllocationsUnknown& notification)
{
    _logger.warning(LogLine("allocations unknown")
                        .add("error", notification.error)
                        .add("advice",
                             "jobs are terminated as without Slurm, except those that were suspended at its "
                             "last answer; allocations are released when it lists its jobs again")
                        .text());
}

void RunLog::onAllocationsKnown(const AllocationsKnown&)
{
    _logger.information("allocations known again");
}

void RunLog::onAllocationLeftover(const AllocationLeftover& notification)
{
    _logger.warning(LogLine("Slurm job is left over")
                        .add("job_id", notification.jobId)
                        .add("slurm_job", notification.schedulerJob)
                        .add("advice",
                             "its provisioner job was over long ago; see whether anybody needs it, or "
                             "scancel it")
                        .text());
}

void RunLog::onJobWithoutAllocation(const JobWithoutAllocation& notification)
{
    _logger.warning(
        LogLine("job is silent since its Slurm job ended")
            .add("job_id", notification.job.jobId)
            .add("slurm_job", notification.job.workerEnd->schedulerJob)
            .add("slurm_state", notification.job.workerEnd->state)
            .add("advice", "EndedJobDuration would terminate it now, and not only after HungJobDuration")
            .text());
}

void RunLog::onWorkerOutlivedItsEnd(const WorkerOutlivedItsEnd& notification)
{
    _logger.warning(LogLine("job reports although its Slurm job has ended")
                        .add("job_id", notification.jobId)
                        .add("slurm_job", notification.workerEnd.schedulerJob)
                        .add("slurm_state", notification.workerEnd.state)
                        .add("advice",
                             "the mark of that Slurm job is wrong, and is ignored; find out who runs the "
                             "job, and correct the mark")
                        .text());
}

void RunLog::onDaemonsUnknown(const DaemonsUnknown& notification)
{
    _logger.warning(LogLine("marks with provisioner_daemon= mean nothing")
                        .add("error", notification.error)
                        .add("advice",
                             "run the hang detector's role.sql again; it grants what they need, where "
                             "Coder has provisioner_daemons")
                        .text());
}

void RunLog::onRunFinished(const RunFinished& notification)
{
    const RunStatistics& statistics = notification.statistics;
    if (statistics.stopped)
        _logger.debug("run stopped");
    else if (statistics.error)
        onRunFailed(*statistics.error, statistics.duration);
    else
        onRunSucceeded(statistics);
}

void RunLog::onRunFailed(const RunError& error, std::chrono::milliseconds duration)
{
    if (!_outage)
        _outage = Outage{std::chrono::steady_clock::now()};
    ++_outage->runs;
    _outage->isOfDatabase |= error.isDatabaseError;
    std::string kind = shortened(error.kind);
    std::erase_if(kind, [](unsigned char c) { return Poco::Ascii::isDigit(c); });
    const bool isNew = _outage->kinds.size() < warningsOfAnOutage && _outage->kinds.insert(kind).second;

    LogLine line("run failed");
    line.add("error", error.cause);
    if (!error.sqlState.empty())
        line.add("sqlstate", error.sqlState);
    if (!error.advice.empty())
        line.add("advice", error.advice);
    line.add("duration_ms", duration.count());
    if (isNew)
        _logger.warning(line.text());
    else
        _logger.debug(line.text());
}

void RunLog::onRunSucceeded(const RunStatistics& statistics)
{
    if (_outage) {
        const auto outage = std::chrono::steady_clock::now() - _outage->since;
        _logger.information(
            LogLine(_outage->isOfDatabase ? "database answers again" : "runs succeed again")
                .add("failed_runs", _outage->runs)
                .add("outage_s", std::chrono::duration_cast<std::chrono::seconds>(outage).count())
                .text());
        _outage.reset();
    }

    LogLine line("run finished");
    if (statistics.dryRun)
        line.add("would_terminate", statistics.wouldTerminate);
    else
        line.add("terminated", statistics.terminated.size());
    line.add("hung", statistics.jobs.hung);
    if (statistics.jobs.pending)
        line.add("pending", *statistics.jobs.pending);
    const int canceled = statistics.dryRun ? statistics.wouldCancel : statistics.canceled;
    if (statistics.jobs.stalled)
        line.add(statistics.dryRun ? "would_cancel" : "canceled", canceled)
            .add("stalled", *statistics.jobs.stalled);
    line.add("locked", statistics.locked).add("ineligible", statistics.ineligible);
    if (statistics.suspended > 0)
        line.add("suspended", statistics.suspended);
    line.add("failed", statistics.failed);
    const bool hasChangedJobs = !statistics.terminated.empty() || statistics.canceled > 0;
    const bool isQuiet = (statistics.jobs.backlog() == 0 || statistics.held) && canceled == 0;
    // What stays as it is, such as a job whose Slurm job is suspended, is logged once.
    const bool isNew = std::exchange(_lastCounts, isQuiet ? "" : line.text()) != line.text();
    line.add("duration_ms", statistics.duration.count());
    if (hasChangedJobs || (isNew && !isQuiet))
        _logger.information(line.text());
    else
        _logger.debug(line.text());
}

} // namespace HangDetection
