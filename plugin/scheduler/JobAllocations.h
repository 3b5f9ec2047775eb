#pragma once

#include "RunLimit.h"
#include "Scheduler.h"
#include "data/Job.h"

#include <Poco/NotificationCenter.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace HangDetection {

class JobAllocations
/// What the scheduler's knowledge means for the jobs of a run: whose silence it explains, and
/// which allocations are released because their jobs are terminated. Used by one thread.
///
/// The scheduler says which of its jobs are marked, and the database which of those were terminated. So
/// neither a crash in between nor a cancel that fails makes the detector forget an allocation.
{
public:
    using Clock = std::chrono::steady_clock;

    JobAllocations(std::unique_ptr<Scheduler> scheduler, Poco::NotificationCenter& notifications);
    /// The scheduler may be null. It is not asked until that is enabled.

    void enable(bool isEnabled);
    /// Without a scheduler, or when it is not to be asked, no silence is explained and nothing is released.
    /// When it is enabled again, the scheduler is asked at once, as jobs may have been terminated meanwhile.

    bool isDue() const;
    /// Whether there may be allocations to release although no job is hung, as another detector may have
    /// terminated their jobs: while some are marked, at the start, and when an earlier release was cut off or
    /// failed, or missed one of them.

    std::set<JobId> askForSuspended(std::chrono::seconds threshold, const RunLimit& limit);
    /// Asks the scheduler, once for all jobs. Returns the jobs of which a scheduler's job is suspended, or
    /// was so within a threshold, which explains their silence. One is enough, whichever user it belongs to:
    /// of two with the same mark nothing says which is the worker, and to spare a dead job is better than to
    /// terminate a live one. Without an answer AllocationsUnknown is posted, and the last answer holds, for a
    /// threshold, for those that were suspended then; no other job has an allocation for now. Throws
    /// RunStopped.

    std::vector<JobId> suspended();
    /// The jobs of which that is known already.

    std::vector<JobId> marked() const;
    /// The jobs that have an allocation, as far as the last question found them. None after a question
    /// without an answer.

    void release(const std::map<JobId, std::string>& terminated, const RunLimit& limit);
    /// Cancels, of the allocations that the last question found, those of these jobs, which were terminated,
    /// and first those that wait. The texts are the reasons. Each is posted as AllocationReleased, or as
    /// AllocationKept when the scheduler refuses. What is left over then, or when the patience is over, or
    /// was not there under its name, is asked for again by the next run.

    static constexpr std::chrono::seconds patience{10};
    /// With the scheduler's answer, and then with its releases, but no more than half of what the run has
    /// left: jobs are terminated with a slow scheduler as without one.

private:
    bool isAsked() const { return _isEnabled && _scheduler; }
    static RunLimit patientLimit(const RunLimit& limit);
    bool ask(const RunLimit& limit);

    const std::unique_ptr<Scheduler> _scheduler;
    Poco::NotificationCenter& _notifications;
    std::vector<SchedulerJob> _marked;
    /// The last answer.
    std::uint64_t _marksSeen = 0;
    /// Before the last question.
    bool _mayBeMarked = false;
    /// The scheduler listed a mark, or one came with a job that it may not have listed yet.
    bool _isEnabled = false;
    bool _isUnfinished = true;
    bool _isUnknown = false;
    std::set<std::string> _kept;
    /// Scheduler's jobs of which it was posted that they could not be released.
    std::map<JobId, Clock::time_point> _suspendedUntil;
};

} // namespace HangDetection
