#pragma once

#include "data/Job.h"

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace HangDetection {

class FailedJobs
/// The jobs that an error of their own kept from being terminated within the last hour,
/// or may have kept the others of their statement: each is reported once an hour for the
/// same cause, and the others come before it when the places of a run are given away.
/// Used by one thread.
{
public:
    using Clock = std::chrono::steady_clock;

    bool add(const Termination& job, Clock::time_point now);
    /// Remembers a job that failed. True when its error is to be reported: the job did not
    /// fail with this SQLSTATE (with this text, where the database raised no error) within
    /// the last hour, and there is room for it.

    void suspect(const JobId& job, Clock::time_point now);
    /// Remembers a job that was in a statement that failed for a reason which may be everybody's
    /// as well. Nothing is reported of it.

    static constexpr std::size_t mostSuspects = 1000;
    /// Those of two large statements. A reason that is everybody's makes more of them with each
    /// run, for nothing.

    void remove(const JobId& job);
    /// The job has no error any more.

    std::vector<JobId> known(Clock::time_point now);
    /// Each job once, in their order.

    static constexpr std::chrono::hours memory{1};

    static constexpr std::size_t most = 20000;
    /// The errors of two runs of the largest MaxJobsPerRun: some 4 MB. More of them are counted in
    /// the line of each run, and reported when others are an hour old.

private:
    using Error = std::pair<JobId, std::string>;
    /// A job and the cause.

    std::map<Error, Clock::time_point> _reported;
    /// When each error was reported last.
    std::map<JobId, Clock::time_point> _suspects;
    /// When each was suspected first.
};

} // namespace HangDetection
