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
#include <string>
#include <vector>

namespace HangDetection {

class JobAllocations
/// What the scheduler's knowledge means for the jobs of a run: whose silence it explains, and
/// which allocations are given back because their jobs are terminated. Slurm tells which of its
/// jobs are marked, and the database which of those were terminated, so that neither a crash in
/// between nor a failure to cancel makes it forget one. Used by one thread.
{
public:
    using Clock = std::chrono::steady_clock;

    JobAllocations(std::unique_ptr<Allocations> slurm, Poco::NotificationCenter& notifications);
    /// Slurm may be null. It is not asked until that is enabled.

    void enable(bool isEnabled);
    /// Without Slurm, or when it is not to be asked, no silence is explained and nothing is released. Jobs
    /// may have been terminated meanwhile, so that Slurm is asked at once when it is enabled again.

    bool isDue() const;
    /// Whether there may be Slurm jobs to release although no job is hung, as another detector may have
    /// terminated theirs: while some are marked, at the start, and when an earlier release was cut off or
    /// failed, or missed one of them.

    std::set<JobId> askForExplained(std::chrono::seconds threshold, const std::stop_token& stop,
                                    Clock::time_point deadline);
    /// Asks Slurm, once for all jobs. Returns the jobs whose silence is explained: a Slurm job of theirs
    /// is paused, or was so within a threshold. One is enough, whoever's it is: of two with the same
    /// mark nobody can tell which is the worker, and to spare a dead job is better than to terminate one
    /// that is alive. When Slurm does not answer, that is posted as
    /// AllocationsUnknown, and what it said before holds for those jobs that were paused then, for
    /// a threshold; no other has an allocation for now. Throws RunStopped.

    std::vector<JobId> explained();
    /// The jobs of which that is known already.

    void release(JobStore& store, const std::stop_token& stop, Clock::time_point deadline);
    /// Cancels, of the Slurm jobs that the last question found, those whose job was terminated, and
    /// first those that wait. Each is posted as AllocationReleased, or as AllocationKept when Slurm
    /// refuses. What is left over then, at a stop or when the patience is over is asked for again by the
    /// next run, and so is what was not there under its name. Throws DatabaseError.

    static constexpr std::chrono::seconds patience{10};
    /// With Slurm's answer, and then with its releases, but no more than half of what the run has left:
    /// jobs are terminated with a Slurm that is slow as without it.

private:
    bool isAsked() const { return _isEnabled && _slurm; }
    static Clock::time_point patientUntil(Clock::time_point deadline);
    bool ask(const std::stop_token& stop, Clock::time_point deadline);

    const std::unique_ptr<Allocations> _slurm;
    Poco::NotificationCenter& _notifications;
    std::vector<Allocation> _marked;
    /// The last answer.
    std::uint64_t _marksSeen = 0;
    /// Before the last question.
    bool _mayBeMarked = false;
    /// Slurm listed a mark, or one came with a job that it may not have listed yet.
    bool _isEnabled = false;
    bool _isUnfinished = true;
    bool _isUnknown = false;
    std::set<std::string> _kept;
    /// Slurm jobs of which it was posted that they could not be released.
    std::map<JobId, Clock::time_point> _explainedUntil;
};

} // namespace HangDetection
