#pragma once

#include "data/Job.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
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
/// A Slurm job that has not ended and is marked with a provisioner job.
{
    std::uint32_t slurmJob = 0;
    JobId markedWith = {};
    std::string adminComment = {};
    bool isPaused = false;
    /// Suspended, stopped by a signal, requeued, or still in the queue: what it runs cannot report.
    std::optional<std::chrono::seconds> resumedAgo = std::nullopt;
    /// Since when it runs again after it was suspended or requeued, as far as Slurm tells.

    bool explainsSilence(std::chrono::seconds threshold) const
    {
        return isPaused || (resumedAgo && *resumedAgo < threshold);
    }
};

class Allocations
/// The Slurm jobs that run provisioner jobs, which is slurmctld's knowledge: what detection asks of
/// it. Used by the detector's thread only, and without any lock of slurmctld.
{
public:
    Allocations() = default;
    virtual ~Allocations() = default;

    Allocations(const Allocations&) = delete;
    Allocations& operator=(const Allocations&) = delete;

    virtual std::vector<Allocation> marked() = 0;
    /// All of them. Throws AllocationError.

    virtual void release(const Allocation& allocation, const std::string& reason) = 0;
    /// Adds the reason to the Slurm job's admin_comment and cancels it, as scancel does. One that
    /// is gone already is no error. Throws AllocationError.
};

} // namespace HangDetection
