#pragma once

#include "RunLimit.h"
#include "Scheduler.h"
#include "data/Job.h"

#include <Poco/NotificationCenter.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace HangDetection {

class JobAllocations
/// Applies what the scheduler knows to the jobs of a run. It says for which jobs a suspended job of the
/// scheduler explains the silence, and releases the allocations of terminated jobs. Used by one thread.
///
/// The scheduler knows which of its jobs are marked, and the database knows which of those were terminated.
/// Both are asked again. So the detector does not forget an allocation after a crash or a failed cancel.
{
public:
    using Clock = std::chrono::steady_clock;

    JobAllocations(std::unique_ptr<Scheduler> scheduler, Poco::NotificationCenter& notifications);
    /// The scheduler may be null. It is not asked before use().

    struct Rules
    {
        bool isAsked = false;
        /// Whether the scheduler is asked. If not, or without a scheduler, no silence is explained, no end is
        /// known, and nothing is released.
        bool areReleased = false;
        std::set<std::uint32_t> trusted = {};
        /// The users whose marks explain a silence. Empty: those of all users do.
    };

    bool isAsked() const { return _rules.isAsked && _scheduler; }
    /// Whether the rules let the scheduler be asked, and there is one.

    void use(Rules rules);
    /// When releases are switched on, the next run asks the scheduler, because jobs may have been terminated
    /// meanwhile.

    bool isDue() const;
    /// Whether the scheduler is to be asked although no job is hung: another detector may have terminated
    /// jobs whose allocations are still there, or a worker may have ended. True at the start, while jobs of
    /// the scheduler are marked, and when an earlier release was cut off, failed, or did not find one of the
    /// allocations.

    void ask(const RunLimit& limit);
    /// Asks the scheduler, once for all jobs. When it does not answer, posts AllocationsUnknown. Then the
    /// last answer holds, for one threshold, for the jobs that were suspended, and no other job has an
    /// allocation for now. Throws RunStopped.

    std::vector<SchedulerJob> trusted() const;
    /// The marked jobs of trusted users in the last answer, also those that have ended. None when the
    /// scheduler did not answer.

    std::vector<std::string> daemons() const;
    /// The names of the daemons that jobs are marked with that have not ended.

    void learn(std::span<const MarkedJob> ofDaemons, Clock::duration retention);
    /// Takes over from the last answer which jobs are suspended. The longest threshold is the retention, but
    /// the capacity may end it sooner.

    std::set<JobId> explained(Clock::duration threshold) const;
    /// The jobs whose silence is explained: a job of the scheduler for them, or for the daemon that has taken
    /// them, is suspended, or was suspended within the threshold. One such job of a trusted user is enough.
    /// If two have the same mark, nothing says which is the worker, and to spare a dead job is better than to
    /// terminate a live one.

    std::vector<JobId> suspended(Clock::duration threshold) const;
    /// The jobs whose silence earlier answers explain.

    std::vector<JobId> marked() const;
    /// The jobs that have an allocation, by the scheduler's last answer. None when the scheduler did not
    /// answer.

    std::optional<std::int64_t> tellLeftover(const std::set<JobId>& over);
    /// Posts AllocationLeftover once for each job of the scheduler, in its last answer, that is marked with
    /// one of these provisioner jobs, which are over. Returns how many there are, if the scheduler has
    /// answered.

    struct Release
    {
        std::string reason;
        std::optional<std::chrono::milliseconds> silent = std::nullopt;
        /// How long the job that is over was silent, if the mark names its daemon.
    };

    void release(const std::map<Mark, Release>& over, const RunLimit& limit);
    /// Cancels the allocations with these marks, as far as the scheduler's last answer has them. Those that
    /// wait are cancelled first. An allocation of a daemon is cancelled only if it ran before the silence and
    /// the unnoticed lead: one that waits, or began to run later, is for a new daemon of the same name. Posts
    /// AllocationReleased for each, or AllocationKept when the scheduler refuses. The next run asks again for
    /// an allocation that is kept, that was not reached before the patience was over, or that the scheduler
    /// did not find under its name.

    static constexpr std::chrono::seconds patience{10};
    /// How long the scheduler may take for its answer, and then for its releases. It gets no more than half
    /// of the time that the run has left. So a slow scheduler does not keep jobs from being terminated.

    static constexpr std::chrono::seconds unnoticedLead{30};
    /// The clock that stamps the heartbeats may be ahead by so much. Then a silence seems shorter than it is.

    static constexpr std::size_t capacity = 20000;
    /// Upper limit for the jobs that are remembered as suspended. Those of the last answer stay in any case.

private:
    bool isTrusted(const SchedulerJob& job) const;
    static RunLimit patientLimit(const RunLimit& limit);

    const std::unique_ptr<Scheduler> _scheduler;
    Poco::NotificationCenter& _notifications;
    Rules _rules;
    std::vector<SchedulerJob> _marked;
    /// The scheduler's last answer, without the jobs that have ended or were released.
    std::vector<SchedulerJob> _ended;
    /// The others.
    std::uint64_t _marksSeen = 0;
    /// The scheduler's marksSeen() before the last question.
    bool _mayBeMarked = false;
    /// The scheduler listed a marked job, or has seen a mark whose job it may not have listed yet.
    bool _isUnfinished = true;
    bool _isUnknown = false;
    std::set<std::string> _kept;
    /// The names of the scheduler's jobs for which AllocationKept was posted.
    std::set<std::string> _leftover;
    /// The names of the scheduler's jobs for which AllocationLeftover was posted.
    std::set<JobId> _trusted;
    /// The jobs that trusted marks of the last answer name.
    std::map<JobId, Clock::time_point> _pausedAt;
    /// When each job was suspended for the last time, as far as the answers say.
};

} // namespace HangDetection
