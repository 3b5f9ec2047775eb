#pragma once

#include "Memory.h"
#include "RunLimit.h"
#include "data/DatabaseError.h"
#include "data/Job.h"
#include "notification/Notifications.h"

#include <set>
#include <vector>

namespace HangDetection {

class Stalls
/// The jobs that report but do not move, in one run. Used once, by the detector's thread.
{
public:
    explicit Stalls(Memory& memory) : _memory(memory) {}
    /// The memory must outlive it.

    void follow();
    /// Looks what became of the jobs that were canceled. Errors are left to the search.

    std::vector<StalledJob> find(const Thresholds& thresholds, const std::set<JobId>& last,
                                 const RunLimit& limit, RunStatistics& statistics);
    /// Returns the jobs that this run is to cancel; those of `last` get only places that are left. Sets what
    /// the statistics say of stalled jobs. The search gets half of the time that the run has left, as hung
    /// jobs matter more. Throws DatabaseError when the connection is lost, or RunStopped.

    void repeatLastCount(RunStatistics& statistics) const;
    /// For a run that cannot be sure of what it finds.

    void tellUnknown(const DatabaseError& error);
    /// Posts StallsUnknown once an hour. Without a right, or if the search takes too long, nothing is found
    /// or canceled in that time: each attempt would be an error in the server's log, and would delay hung
    /// jobs.

private:
    using Clock = std::chrono::steady_clock;

    bool areSought() const { return _memory.settings.stalledJobDuration.count() > 0; }

    Memory& _memory;
};

} // namespace HangDetection
