#pragma once

#include "data/Job.h"

#include <Poco/Notification.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace HangDetection {

struct RunError
/// The error that ended a run early.
{
    std::string cause;
    std::string sqlState = {};
    std::string advice = {};
    std::string kind = cause;
    /// Errors of one kind are one piece of news, however their causes differ. Digits do not count.
    bool isDatabaseError = false;
    /// The database could not be used, or refused something, and the cause is not on this machine.
};

struct RunStatistics
/// What one run did.
{
    std::vector<JobId> terminated;
    /// In the order of the answers. Empty in a dry run.
    int wouldTerminate = 0;
    /// In a dry run: how many jobs it would have terminated without DryRun.
    int canceled = 0;
    int wouldCancel = 0;
    /// The same of jobs that are stalled.
    JobCounts jobs;
    /// What the search found: the whole backlog, which may be more than one run terminates.
    bool hasSearched = false;
    /// False when the run ended before its search.
    std::int64_t left = 0;
    /// Jobs of the backlog for which the run had no place.
    bool dryRun = false;
    /// Nothing was changed, because of DryRun.
    bool held = false;
    /// Nothing was terminated or canceled, because too many jobs fell silent at once.
    bool areStallsHeld = false;
    /// Nothing was canceled, because too many jobs are stalled at once.
    int locked = 0;
    /// Jobs that another session has locked.
    int ineligible = 0;
    /// Jobs that were no longer hung, pending or stalled when they were locked.
    int suspended = 0;
    /// Jobs whose Slurm job does not run, which explains their silence.
    int failed = 0;
    /// Jobs with an error of their own.
    bool mayAskScheduler = false;
    /// Whether the settings ask Slurm at all.
    std::optional<std::int64_t> leftover;
    /// Slurm jobs that are still there although the provisioner job that they are marked with was over long
    /// ago. No value when the run did not ask Slurm.
    std::optional<std::int64_t> withoutAllocation;
    /// Running jobs whose Slurm jobs have ended. No value when the run did not ask Slurm.
    std::chrono::milliseconds duration{0};
    /// From the start of the run to its end.
    bool stopped = false;
    /// The run was asked to stop before its end.
    std::optional<RunError> error;
    /// The error that ended the run, if one did. Jobs that are locked, ineligible or failed do not end it.
    std::optional<std::chrono::milliseconds> pause;
    /// How soon after this run the next one is due, because of what this one found or how it ended: when the
    /// next job can be hung or pending, when jobs were left, after an error, when the hold of a mass hang is
    /// over. Nothing when Interval is soon enough.
};

class JobTerminated : public Poco::Notification
/// A job was terminated completely, and that is committed.
{
public:
    JobTerminated(Termination answer, std::chrono::seconds thresholdInForce)
        : job(std::move(answer)), threshold(thresholdInForce)
    {}

    const Termination job;
    const std::chrono::seconds threshold;
};

class JobWouldBeTerminated : public Poco::Notification
/// A dry run found a job that it would have terminated. The job is untouched. Posted once an hour for each
/// job.
{
public:
    JobWouldBeTerminated(Termination preview, std::chrono::seconds thresholdInForce)
        : job(std::move(preview)), threshold(thresholdInForce)
    {}

    const Termination job;
    /// What the termination would have answered.
    const std::chrono::seconds threshold;
};

class JobCanceled : public Poco::Notification
/// A job that reports but does not move was canceled, and that is committed. Its worker is to complete it.
{
public:
    JobCanceled(Termination answer, std::chrono::seconds thresholdInForce)
        : job(std::move(answer)), threshold(thresholdInForce)
    {}

    const Termination job;
    const std::chrono::seconds threshold;
};

class JobWouldBeCanceled : public Poco::Notification
/// A dry run found a job that it would have canceled. The job is untouched. Posted once an hour for each job.
{
public:
    JobWouldBeCanceled(Termination preview, std::chrono::seconds thresholdInForce)
        : job(std::move(preview)), threshold(thresholdInForce)
    {}

    const Termination job;
    const std::chrono::seconds threshold;
};

class CancelFollowed : public Poco::Notification
/// A job that was canceled as stalled is completed.
{
public:
    CancelFollowed(JobId canceled, std::chrono::seconds after) : jobId(std::move(canceled)), time(after) {}

    const JobId jobId;
    const std::chrono::seconds time;
    /// From the cancel to the completion.
};

class CancelIgnored : public Poco::Notification
/// A job that was canceled as stalled still runs and reports, HungJobDuration later. Posted once for each
/// job.
{
public:
    CancelIgnored(Termination answer, std::chrono::seconds since) : job(std::move(answer)), time(since) {}

    const Termination job;
    /// The answer to the cancel.
    const std::chrono::seconds time;
};

class StallsUnknown : public Poco::Notification
/// The database does not let the detector find or cancel stalled jobs. Posted once an hour.
{
public:
    StallsUnknown(std::string reason, std::string whatToDo)
        : error(std::move(reason)), advice(std::move(whatToDo))
    {}

    const std::string error;
    const std::string advice;
};

class JobSkipped : public Poco::Notification
/// A job was left as it is: another session has locked it, it is no longer hung, pending or stalled, or its
/// Slurm job is suspended.
{
public:
    explicit JobSkipped(Termination answer) : job(std::move(answer)) {}

    const Termination job;
};

class JobFailed : public Poco::Notification
/// A job could not be terminated or canceled because of an error of its own. The job is untouched.
{
public:
    JobFailed(Termination answer, bool wasReported) : job(std::move(answer)), isKnown(wasReported) {}

    const Termination job;
    const bool isKnown;
    /// The same error of this job was posted within the last hour, or there are too many to post each as new.
};

class JobLockedLong : public Poco::Notification
/// Another session has had a hung job locked for an hour, so it is not terminated. Posted once for each job.
{
public:
    JobLockedLong(JobId locked, std::chrono::seconds duration, std::optional<LockHolder> session)
        : jobId(std::move(locked)), time(duration), holder(std::move(session))
    {}

    const JobId jobId;
    const std::chrono::seconds time;
    const std::optional<LockHolder> holder;
    /// Nothing when it is unknown.
};

class JobRevived : public Poco::Notification
/// A job was alive although it was terminated: its worker has updated it since then. Posted once for each
/// job.
{
public:
    explicit JobRevived(RevivedJob revived) : job(std::move(revived)) {}

    const RevivedJob job;
};

class ClockLagBegan : public Poco::Notification
/// All running jobs report with times of the past: the clock of the Coder server is behind that of the
/// database. Until ClockLagEnded a job is hung only that much later. Posted once for each lag.
{
public:
    explicit ClockLagBegan(std::chrono::seconds behind) : lag(behind) {}

    const std::chrono::seconds lag;
};

class ClockLagEnded : public Poco::Notification
/// A job reports with the present time.
{};

class SilenceNotCounted : public Poco::Notification
/// There was a time in which no worker could report, or may not have been able to. It does not count as
/// silence.
{
public:
    explicit SilenceNotCounted(std::chrono::seconds time) : gap(time) {}

    const std::chrono::seconds gap;
};

enum class Mass
/// What befalls so many jobs at once that nothing is done about them for a while.
{
    hang, /// silence: nothing is terminated
    stall /// no line in their logs: nothing is canceled
};

template <Mass>
class MassBegan : public Poco::Notification
/// Posted once for each mass hang or mass stall.
{
public:
    MassBegan(const JobCounts& found, std::chrono::seconds atMost, bool inDryRun)
        : counts(found), hold(atMost), dryRun(inDryRun)
    {}

    const JobCounts counts;
    const std::chrono::seconds hold;
    /// After this time the jobs are terminated or canceled, even if it goes on.
    const bool dryRun;
    /// In a dry run nothing is changed anyway.
};

template <Mass>
class MassEnded : public Poco::Notification
/// Jobs are terminated or canceled again: there are fewer of them, or the hold is over.
{
public:
    MassEnded(const JobCounts& found, bool inDryRun) : counts(found), dryRun(inDryRun) {}

    const JobCounts counts;
    const bool dryRun;
    /// In a dry run still nothing is changed.
};

using MassHangBegan = MassBegan<Mass::hang>;
using MassHangEnded = MassEnded<Mass::hang>;
using MassStallBegan = MassBegan<Mass::stall>;
using MassStallEnded = MassEnded<Mass::stall>;

class DatabaseConnected : public Poco::Notification
/// The first search of a database has succeeded. Posted once for each connection string.
{
public:
    DatabaseConnected(DatabaseFacts connected, const JobCounts& found)
        : facts(std::move(connected)), counts(found)
    {}

    const DatabaseFacts facts;
    const JobCounts counts;
};

class IndexMissing : public Poco::Notification
/// A search took long because an index is missing. Posted once for each connection string.
{
public:
    explicit IndexMissing(std::chrono::milliseconds took) : searchTime(took) {}

    const std::chrono::milliseconds searchTime;
};

class AllocationReleased : public Poco::Notification
/// A Slurm job that was marked with a terminated job is cancelled.
{
public:
    AllocationReleased(Mark markedWith, std::string cancelled)
        : mark(std::move(markedWith)), schedulerJob(std::move(cancelled))
    {}

    const Mark mark;
    const std::string schedulerJob;
};

class AllocationKept : public Poco::Notification
/// A Slurm job that was marked with a terminated job could not be cancelled. Later runs try again.
{
public:
    AllocationKept(Mark markedWith, std::string kept, std::string reason, bool wasReported)
        : mark(std::move(markedWith)),
          schedulerJob(std::move(kept)),
          error(std::move(reason)),
          isKnown(wasReported)
    {}

    const Mark mark;
    const std::string schedulerJob;
    const std::string error;
    const bool isKnown;
    /// The same was posted of this Slurm job before.
};

class AllocationLeftover : public Poco::Notification
/// A Slurm job is still there although the provisioner job that it is marked with was over long ago. Posted
/// once for each.
{
public:
    AllocationLeftover(JobId markedWith, std::string left)
        : jobId(std::move(markedWith)), schedulerJob(std::move(left))
    {}

    const JobId jobId;
    const std::string schedulerJob;
};

class JobWithoutAllocation : public Poco::Notification
/// A job is silent since its Slurm job has ended, and EndedJobDuration is off. Posted once an hour for each
/// job.
{
public:
    explicit JobWithoutAllocation(SeenJob silent) : job(std::move(silent)) {}

    const SeenJob job;
    /// With its worker's end.
};

class AllocationsUnknown : public Poco::Notification
/// Slurm did not list its jobs, so they explain no silence, and no allocation is released. Posted once until
/// AllocationsKnown.
{
public:
    explicit AllocationsUnknown(std::string reason) : error(std::move(reason)) {}

    const std::string error;
};

class AllocationsKnown : public Poco::Notification
/// Slurm lists its jobs again.
{};

class WorkerOutlivedItsEnd : public Poco::Notification
/// A job reports although the Slurm job that is marked with it or its daemon has ended. So the mark was
/// wrong, and nothing is done. Posted once for each job.
{
public:
    WorkerOutlivedItsEnd(JobId reporting, WorkerEnd stated)
        : jobId(std::move(reporting)), workerEnd(std::move(stated))
    {}

    const JobId jobId;
    const WorkerEnd workerEnd;
};

class DaemonsUnknown : public Poco::Notification
/// The database does not say which jobs belong to a mark. Posted once an hour.
{
public:
    explicit DaemonsUnknown(std::string reason) : error(std::move(reason)) {}

    const std::string error;
};

class RunFinished : public Poco::Notification
/// The last notification of every run, whether it succeeded or not.
{
public:
    explicit RunFinished(RunStatistics finished) : statistics(std::move(finished)) {}

    const RunStatistics statistics;
};

} // namespace HangDetection
