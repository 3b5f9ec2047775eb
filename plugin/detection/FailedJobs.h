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
/// Jobs whose termination failed within the last hour, or that were in a statement that failed. Each cause is
/// logged once an hour. These jobs are tried last. Used by one thread.
{
public:
    using Clock = std::chrono::steady_clock;

    bool add(const Termination& job, Clock::time_point now);
    /// True when the error is to be logged: the job did not fail with the same SQLSTATE within the last hour,
    /// and there is room for the error. When the database raised no error, the text counts instead of the
    /// SQLSTATE. A cancel and a termination fail each for itself.

    void suspect(const JobId& job, Clock::time_point now) { _suspects.add(job, now); }
    /// For a job of a statement that failed. The cause may be another job or something else, so nothing is
    /// logged about this job.

    void remove(const JobId& job);
    /// For a job that has no error any more.

    std::set<JobId> known(Clock::time_point now);

    static constexpr std::size_t capacity = 20000;
    /// The errors of two runs of the largest MaxJobsPerRun, which take about 4 MB. Further errors are only
    /// counted in the log line of each run. They are logged when other errors are an hour old.

    static constexpr std::size_t suspectsCapacity = 1000;
    /// The jobs of two large statements. An error that concerns every job adds more suspects with each run.
    /// It is of no use to remember all of them.

private:
    OnceAnHour<std::pair<JobId, std::string>> _errors{capacity};
    /// The key is the job and the cause.
    OnceAnHour<JobId> _suspects{suspectsCapacity};
};

} // namespace HangDetection
