#pragma once

#include "Job.h"

#include <chrono>
#include <string>

namespace HangDetection {

// The texts of a termination. They are byte for byte those that Coder's own detectors write and Coder's pages
// show. The minutes are those of the threshold in force.

struct Wording
{
    std::string error;
    /// The error of the job.
    std::string logLine;
    /// The third of the five lines in the job's log.

    static Wording of(Reason reason, std::chrono::seconds threshold);
    /// The texts of a job that ended have workerEndPlace in place of textOf() its worker's end.
};

std::string stalledLogLine(std::chrono::seconds threshold);
/// The third of the five lines in the log of a job that is canceled. Coder has no such text.

constexpr const char* workerEndPlace = "%";

std::string textOf(const WorkerEnd& end);
/// Has neither quotes nor backslashes.

const std::string& anyDetectorsError();
/// A PostgreSQL regular expression for the error of a job that a detector terminated: this detector, or
/// Coder's own, which is called the reaper since mid-2025.

} // namespace HangDetection
