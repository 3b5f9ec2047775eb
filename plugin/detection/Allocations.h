#pragma once

#include "data/Job.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

namespace HangDetection {

class AllocationError : public std::runtime_error
/// Slurm did not answer, or refused. The text is Slurm's.
{
public:
    using std::runtime_error::runtime_error;
};

struct Allocation
/// A Slurm job that is marked with a provisioner job.
{
    std::string slurmJob = {};
    /// As Slurm's commands name it: a number, or array_task.
    JobId markedWith = {};
    bool isWaiting = false;
    /// It has not started, or not again after it was requeued.
    bool isPaused = false;
    /// Suspended, stopped by a signal, requeued, or its nodes still boot or run a prolog: nothing of it
    /// can report.
    std::optional<std::chrono::seconds> resumedAgo = std::nullopt;
    /// Since when it runs again after it was suspended or requeued, as far as Slurm tells.
    bool hasEnded = false;
    /// Slurm still lists it, and it may be requeued.
    bool isPart = false;
    /// Tasks of an array that wait, of which Slurm names no more than these.
};

class Allocations
/// The Slurm jobs that run provisioner jobs, which is slurmctld's knowledge: what detection asks of
/// it. Used by the detector's thread only, and without any lock of slurmctld.
{
public:
    using Clock = std::chrono::steady_clock;

    Allocations() = default;
    virtual ~Allocations() = default;

    Allocations(const Allocations&) = delete;
    Allocations& operator=(const Allocations&) = delete;

    virtual std::vector<Allocation> marked(const std::stop_token& stop, Clock::time_point until) = 0;
    /// All that Slurm lists. Throws AllocationError, also when there is no answer until then, or before a
    /// stop.

    virtual std::uint64_t marksSeen() const = 0;
    /// A number that grows with each job that is submitted with a mark, or gets one. Until then a
    /// question whose answer was empty has the same answer again.

    virtual bool release(const Allocation& allocation, const std::string& reason) = 0;
    /// Adds the reason to the Slurm job's admin_comment and cancels it, as scancel does. False when
    /// there is none of that name and mark any more: it has ended, or got another mark, or some tasks of
    /// an array that waited have started, and have names of their own now. Throws AllocationError.
};

} // namespace HangDetection
