#pragma once

#include "Allocations.h"
#include "data/Job.h"
#include "data/JobStore.h"

#include <Poco/NotificationCenter.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <vector>

namespace HangDetection {

class JobAllocations
/// What the scheduler's knowledge means for the jobs of a run: whose silence it explains, and
/// which allocations are given back because their jobs are terminated. Slurm tells which of its
/// jobs are marked, and the database which of those were terminated, so that neither a crash in
/// between nor a failure to cancel makes it forget one. Used by one thread.
{
public:
    using Clock = JobStore::Clock;

    JobAllocations(std::unique_ptr<Allocations> slurm, Poco::NotificationCenter& notifications);

    std::set<JobId> askForExplained(bool areJobsHung, std::chrono::seconds threshold);
    /// Asks Slurm, once for all jobs, when some are hung or when an earlier release is unfinished,
    /// as at the start. Returns the jobs whose silence is explained: their Slurm job is paused, or
    /// runs again for less than a threshold. When Slurm does not answer, that is posted as
    /// AllocationsUnknown, and no job has an allocation for now.

    std::vector<JobId> lastPaused(std::chrono::seconds threshold);
    /// The jobs whose Slurm job was seen paused within a threshold, in their order.

    void release(JobStore& store, const std::stop_token& stop, Clock::time_point deadline);
    /// Cancels, of the Slurm jobs that the last question found, those whose job was terminated.
    /// Each is posted as AllocationReleased, or as AllocationKept when Slurm refuses. What is left
    /// over then, at a stop or at the deadline is asked for again by the next run. Throws
    /// DatabaseError.

private:
    void ask();

    const std::unique_ptr<Allocations> _slurm;
    Poco::NotificationCenter& _notifications;
    std::vector<Allocation> _marked;
    /// The answer to the question of this run.
    bool _isUnfinished = true;
    /// Whether there may be Slurm jobs to release although no job is hung now.
    bool _isUnknown = false;
    std::set<std::uint32_t> _kept;
    /// Slurm jobs of which it was posted that they could not be released.
    std::map<JobId, Clock::time_point> _lastPaused;
};

} // namespace HangDetection
