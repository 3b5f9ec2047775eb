#include "Stalls.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace HangDetection {

void Stalls::follow()
{
    const auto now = Clock::now();
    if (!areSought() || _memory.pausedStalls.isRecent(now))
        return;
    try {
        _memory.canceledJobs.report(*_memory.store, _memory.settings.hungJobDuration,
                                    _memory.settings.stalledJobDuration, now);
    } catch (const DatabaseError& error) {
        // If the connection is lost, the search fails, too.
        if (error.isObjectMissing())
            tellUnknown(error);
    }
}

std::vector<StalledJob> Stalls::find(const Thresholds& thresholds, const std::set<JobId>& last,
                                     const RunLimit& limit, RunStatistics& statistics)
{
    const auto now = Clock::now();
    if (!areSought()) {
        // A mass stall is over, but its hold does not begin anew if that was only half of a file.
        _memory.massStall.judge({}, now);
        return {};
    }
    if (_memory.pausedStalls.isRecent(now))
        return {};
    JobStore::StallSearch search{.thresholds = thresholds,
                                 .places = _memory.settings.maxJobsPerRun,
                                 .last = {last.begin(), last.end()}};
    for (const auto& [job, logged] : _memory.previewedCancels.known(now))
        search.last.push_back(job);
    std::ranges::copy(_memory.allocations.suspended(_memory.settings.stalledJobDuration),
                      std::back_inserter(search.last));
    try {
        _memory.store->open(limit.within((limit.deadline - now) / 2));
        FoundStalled found = _memory.store->findStalled(search);
        _memory.store->open(limit);
        statistics.jobs.stalled = found.jobs;
        _memory.stalled = found.jobs;
        JobCounts jobs = statistics.jobs;
        jobs.silent = found.quiet;
        jobs.hung = found.jobs;
        statistics.areStallsHeld =
            _memory.massStall.isHeld<Mass::stall>(jobs, _memory.notifications, statistics.dryRun);
        if (statistics.areStallsHeld)
            return {};
        statistics.left += found.jobs - static_cast<std::int64_t>(found.chosen.size());
        return std::move(found.chosen);
    } catch (const DatabaseError& error) {
        if (limit.stop.stop_requested())
            throw RunStopped();
        if (error.scope() == DatabaseError::Scope::connection)
            throw;
        tellUnknown(error);
        _memory.store->open(limit);
        return {};
    }
}

void Stalls::repeatLastCount(RunStatistics& statistics) const
{
    if (!areSought())
        return;
    statistics.jobs.stalled = _memory.stalled;
    statistics.areStallsHeld = _memory.massStall.holdLeft(Clock::now()).has_value();
}

void Stalls::tellUnknown(const DatabaseError& error)
{
    _memory.stalled.reset();
    if (error.isObjectMissing() || error.sqlState() == "57014")
        _memory.pausedStalls.add(Clock::now());
    if (_memory.unknownStalls.add(Clock::now()))
        _memory.notifications.postNotification(new StallsUnknown(error.what(), error.advice()));
}

} // namespace HangDetection
