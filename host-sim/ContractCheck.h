#pragma once

#include "JobDatabase.h"
#include "Settings.h"

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

// Checks the contract of a termination for each job of a database, from its rows before and after.
// sql/contract.sql compares the job, its log and its build; the notifications are compared here.

namespace HangDetection::Sim {

struct ContractTerms
/// By which jobs are terminated.
{
    std::chrono::seconds threshold = Settings::defaultHungJobDuration;
    std::string minutes = "5";
    /// Those of the threshold, as the texts of a termination name them.
    std::string pendingMinutes = {};
    /// The same of a job that was never started; empty when those are not terminated as pending.
    std::map<std::string, std::string> ended = {};
    /// How the workers of some jobs have ended, by job, as the texts of a termination say it.
    std::string changedByWorkers = "{}";
    /// An array of PostgreSQL with columns of provisioner_jobs that others change meanwhile. They are not
    /// compared.
    std::vector<std::string> detectors{"hang detector"};
    /// The detectors that may have terminated a job, by their names in its error.
};

using NotificationsByJob = std::map<std::string, std::vector<std::string>>;
/// The payloads that arrived, by job.

struct JobOutcome
/// What happened to a job that was remembered.
{
    bool isUntouched = false;
    /// Its row, log and build are as they were.
    bool hasOnlyReported = false;
    /// The same, but for heartbeats.
    std::set<std::string> broken = {};
    /// The promises of a termination that do not hold, of those that are named in Promise. When it is
    /// empty, the job was terminated completely.
};

namespace Promise {

inline constexpr const char* failed = "failed";
inline constexpr const char* completed = "completed at one instant after the threshold";
inline constexpr const char* cancellation = "still canceled or not";
inline constexpr const char* otherColumns = "other columns of the job";
inline constexpr const char* earlierLines = "earlier lines";
inline constexpr const char* lines = "five lines";
inline constexpr const char* build = "other columns of the build";
inline constexpr const char* state = "state of the build";
inline constexpr const char* previousBuild = "previous build";
inline constexpr const char* notification = "notified once";

} // namespace Promise

void beginToRemember(JobDatabase& database, const ContractTerms& terms = {});
/// Makes the schema "remembered". From now on jobs may be terminated.

std::vector<std::string> rememberJobs(JobDatabase& database);
/// The jobs that were added since the last time, with their builds and logs as they are now. Returns
/// their ids.

bool isNotifiedOnce(const NotificationsByJob& notifications, const std::string& jobId,
                    const std::string& payload);

std::map<std::string, JobOutcome> outcomes(JobDatabase& database, const NotificationsByJob& notifications);
/// One look at all jobs that are remembered, by id.

} // namespace HangDetection::Sim
