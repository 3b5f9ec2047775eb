#pragma once

#include "data/Job.h"

#include <chrono>
#include <cstddef>
#include <map>
#include <vector>

namespace HangDetection {

class PreviewedJobs
/// The jobs of which a dry run told within the last hour that they would be terminated. As they
/// stay, each is told once an hour, and the others come before it when the places of a run are given
/// away. Used by one thread.
{
public:
    using Clock = std::chrono::steady_clock;

    bool add(const JobId& job, Clock::time_point now);
    /// Remembers the job. True when it is to be told: it was not within the last hour, and there is
    /// room for it.

    std::vector<JobId> known(Clock::time_point now);
    /// In their order.

    void clear() { _told.clear(); }

    static constexpr std::chrono::hours memory{1};

    static constexpr std::size_t most = 20000;
    /// As many as FailedJobs remembers. More of them are counted in the line of each run, and told
    /// when others are an hour old.

private:
    std::map<JobId, Clock::time_point> _told;
    /// When each was told last.
};

} // namespace HangDetection
