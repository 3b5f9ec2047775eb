#pragma once

#include "RunLimit.h"
#include "data/Job.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace HangDetection {

class SchedulerError : public std::runtime_error
/// The scheduler did not answer, or refused. The text is the scheduler's.
{
public:
    using std::runtime_error::runtime_error;
};

struct SchedulerJob
/// A job of the scheduler that is marked with a provisioner job or with a daemon.
{
    std::string name = {};
    /// The name that the scheduler's commands use: in Slurm a number, or array_task.
    Mark mark = {};
    std::uint32_t user = 0;
    /// The number of its owner.
    bool isWaiting = false;
    /// The job has not started, or has not started again after it was requeued.
    bool isSuspended = false;
    /// What the mark names cannot report for now, and goes on later: the job is suspended or stopped by a
    /// signal. Or, if the mark names a provisioner job, it is requeued, or its nodes still boot or run a
    /// prolog.
    std::optional<std::chrono::seconds> resumedAgo = std::nullopt;
    /// How long ago the job began to run again after it was suspended or requeued, as far as the scheduler
    /// knows.
    std::optional<std::chrono::seconds> startedAgo = std::nullopt;
    /// How long ago it began to run, for the last time. No value while it waits.
    std::optional<std::chrono::seconds> endedAgo = std::nullopt;
    /// The job has ended. The scheduler still lists it, and it may be requeued.
    bool isCompleting = false;
    /// It has ended, but its processes may still run.
    std::string state = {};
    /// The scheduler's word for how it has ended, such as NODE_FAIL.
    bool isPart = false;
    /// The job stands for waiting tasks of an array. There may be more tasks, which the scheduler does not
    /// name.
};

class Scheduler
/// What the detector asks of the scheduler that runs the workers. Only the detector's thread uses it, and
/// that thread holds no lock of the scheduler.
{
public:
    Scheduler() = default;
    virtual ~Scheduler() = default;

    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;

    virtual std::vector<SchedulerJob> markedJobs(const RunLimit& limit) = 0;
    /// All marked jobs that the scheduler lists. Throws SchedulerError, also when the limit is reached before
    /// the answer comes.

    virtual std::uint64_t marksSeen() const = 0;
    /// A number that grows with each job that is submitted with a mark, or gets one. While it stays the same,
    /// an empty answer of markedJobs() stays empty.

    virtual bool release(const SchedulerJob& job, const std::string& reason, const RunLimit& limit) = 0;
    /// Writes the reason into the job's record and cancels the job. False when the scheduler has no job with
    /// this name and mark any more: the job has ended, or has another mark, or some waiting tasks of an array
    /// have started and have names of their own now. Throws SchedulerError, also when the limit is reached
    /// before it is known what became of the job.
};

} // namespace HangDetection
