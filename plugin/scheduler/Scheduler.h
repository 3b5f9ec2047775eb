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
/// A job of the scheduler that is marked with a provisioner job.
{
    std::string name = {};
    /// As the scheduler's commands name it: for Slurm a number, or array_task.
    JobId markedWith = {};
    bool isWaiting = false;
    /// It has not started, or not again after it was requeued.
    bool isSuspended = false;
    /// Nothing of it can report: it is suspended, stopped by a signal or requeued, or its nodes still boot or
    /// run a prolog.
    std::optional<std::chrono::seconds> resumedAgo = std::nullopt;
    /// Since when it runs again after it was suspended or requeued, as far as the scheduler knows.
    bool hasEnded = false;
    /// The scheduler still lists it, and it may be requeued.
    bool isPart = false;
    /// It stands for waiting tasks of an array, of which the scheduler names no more than these.
};

class Scheduler
/// What detection asks of the scheduler that runs the workers. Used by the detector's thread only, and
/// without any lock of the scheduler.
{
public:
    Scheduler() = default;
    virtual ~Scheduler() = default;

    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;

    virtual std::vector<SchedulerJob> markedJobs(const RunLimit& limit) = 0;
    /// All that the scheduler lists. Throws SchedulerError, also when the limit is reached before there is an
    /// answer.

    virtual std::uint64_t marksSeen() const = 0;
    /// A number that grows with each job that is submitted with a mark, or gets one. While it stays the same,
    /// an empty answer stays empty.

    virtual bool release(const SchedulerJob& job, const std::string& reason) = 0;
    /// Writes the reason into the job's record and cancels the job. False when there is none of that name and
    /// mark any more: it has ended, or got another mark, or some tasks of an array that waited have started,
    /// and have names of their own now. Throws SchedulerError.
};

} // namespace HangDetection
