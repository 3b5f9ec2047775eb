#pragma once

#include "Memory.h"
#include "RunLimit.h"
#include "data/Job.h"
#include "scheduler/WorkerEnds.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace HangDetection {

class SchedulerEvidence
/// What the scheduler knows about the jobs of one run: whose worker has ended, whose silence is explained,
/// and which allocations are left. The scheduler knows marks, and the database knows the jobs behind them.
/// Used once, by the detector's thread.
{
public:
    explicit SchedulerEvidence(Memory& memory) : _memory(memory) {}
    /// The memory must outlive it.

    bool isDue() const;
    /// Whether the scheduler is to be asked although no job is hung or stalled: for what has ended, or is to
    /// be released. A dry run releases nothing.

    void ask(bool isAnySilent, const RunLimit& limit);
    /// If jobs are hung or stalled, also for what explains that. Throws DatabaseError, or RunStopped.

    std::int64_t judgeEnds(std::chrono::seconds lag);
    /// Judges the jobs whose worker has ended. Returns how many there are, and logs them if EndedJobDuration
    /// is off.

    const WorkerEnds::Verdict& ends() const { return _ends; }
    /// Empty while EndedJobDuration is off.

    std::optional<std::int64_t> release(const std::map<JobId, std::string>& hung, const RunLimit& limit);
    /// Releases the allocations of terminated jobs, and of the daemons that ran the jobs that were just
    /// terminated as hung, with these errors. Returns how many allocations of other jobs are left over, if
    /// the scheduler has answered. Throws DatabaseError, or RunStopped.

    std::optional<std::chrono::steady_clock::duration> untilNextLook() const;
    /// No value while EndedJobDuration is off.

private:
    using Clock = std::chrono::steady_clock;

    bool areEndsSought() const { return _memory.settings.endedJobDuration.count() > 0; }
    std::vector<MarkedJob> findMarked(bool isAnySilent);
    std::vector<MarkedJob> findJobsOf(const std::vector<std::string>& daemons);

    Memory& _memory;
    std::vector<MarkedJob> _marked;
    /// The running jobs of the marks that matter to this run.
    WorkerEnds::Verdict _ends;
};

} // namespace HangDetection
