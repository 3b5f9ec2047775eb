#pragma once

#include "OnceAnHour.h"
#include "data/Job.h"

#include <chrono>
#include <cstddef>
#include <set>
#include <string>
#include <utility>

namespace HangDetection {

class FailedJobs
/// Jobs whose termination failed within the last hour, or that were in a statement which failed. Each cause
/// is logged once an hour; these jobs are tried last. Used by one thread.
{
public:
    using Clock = std::chrono::steady_clock;

    bool add(const Termination& job, Clock::time_point now);
    /// True when the error is to be logged: the job did not fail with this SQLSTATE (with this text, where
    /// the database raised no error) within the last hour, and there is room for it.

    void suspect(const JobId& job, Clock::time_point now) { _suspects.add(job, now); }
    /// For a job of a statement that failed, maybe because of another job or of something else. Nothing is
    /// logged of it.

    void remove(const JobId& job);
    /// The job has no error any more.

    std::set<JobId> known(Clock::time_point now);

    static constexpr std::size_t capacity = 20000;
    /// The errors of two runs of the largest MaxJobsPerRun: some 4 MB. More of them are counted in
    /// the line of each run, and logged when others are an hour old.

    static constexpr std::size_t suspectsCapacity = 1000;
    /// Those of two large statements. An error that concerns every job makes more of them with each run, for
    /// nothing.

private:
    OnceAnHour<std::pair<JobId, std::string>> _errors{capacity};
    /// By job and cause.
    OnceAnHour<JobId> _suspects{suspectsCapacity};
};

} // namespace HangDetection
