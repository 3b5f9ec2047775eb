#pragma once

#include "data/Job.h"

#include <Poco/Notification.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace HangDetection {

struct RunError
/// What ended a run before it was through.
{
    std::string cause;
    std::string sqlState;
    std::string advice;
};

struct RunStatistics
/// What one run did.
{
    std::vector<JobId> terminated;
    /// In the order of the answers.
    std::int64_t hung = 0;
    /// The backlog that the run found; it may be larger than what one run terminates.
    int locked = 0;
    /// Jobs that somebody else is at work on.
    int ineligible = 0;
    /// Jobs that were not hung any more when they were locked.
    int failed = 0;
    /// Jobs with an error of their own.
    std::chrono::milliseconds duration{0};
    /// From the start of the run to its end.
    bool stopped = false;
    /// The run was asked to stop before it was through.
    std::optional<RunError> error;
    /// The error that ended the run, if one did. Jobs that are locked, not
    /// eligible or failed by themselves do not end it.
};

class JobTerminated : public Poco::Notification
/// A job was terminated completely, and that is committed.
{
public:
    JobTerminated(Termination answer, std::chrono::seconds thresholdInForce)
        : job(std::move(answer)), threshold(thresholdInForce)
    {}

    const Termination job;
    const std::chrono::seconds threshold;
};

class JobSkipped : public Poco::Notification
/// A job was left as it is: held by somebody else, or not hung any more.
{
public:
    explicit JobSkipped(Termination answer) : job(std::move(answer)) {}

    const Termination job;
};

class JobFailed : public Poco::Notification
/// A job could not be terminated because of an error of its own. It is untouched.
{
public:
    explicit JobFailed(Termination answer) : job(std::move(answer)) {}

    const Termination job;
};

class RunFinished : public Poco::Notification
/// The last notification of every run, whether it succeeded or not.
{
public:
    explicit RunFinished(RunStatistics finished) : statistics(std::move(finished)) {}

    const RunStatistics statistics;
};

} // namespace HangDetection
