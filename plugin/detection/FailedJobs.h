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
/// The jobs that an error of their own kept from being terminated within the last hour:
/// each is reported once an hour for the same cause, and the others come before it when
/// the places of a run are given away. Remembers the last thousand errors, and no more.
/// Used by one thread.
{
public:
    using Clock = std::chrono::steady_clock;

    bool add(const Termination& job, Clock::time_point now);
    /// Remembers a job that failed. True when its error is to be reported: the job did not
    /// fail with this SQLSTATE (with this text, where the database raised no error) within
    /// the last hour.

    void remove(const JobId& job);
    /// The job has no error any more.

    std::vector<JobId> known(Clock::time_point now);
    /// Each job once.

    static constexpr std::chrono::hours memory{1};
    static constexpr std::size_t most = 1000;

private:
    void forgetOld(Clock::time_point now);

    std::map<std::pair<JobId, std::string>, Clock::time_point> _reported;
    /// When each job's error was reported, by job and cause.
};

} // namespace HangDetection
