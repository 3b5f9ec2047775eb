#pragma once

#include "Job.h"

#include <chrono>
#include <string>

namespace HangDetection {

// The texts of a termination, byte for byte as Coder's own detectors write them and as Coder's
// pages show them. The minutes are those of the threshold in force.

struct Wording
{
    std::string error;
    /// Of the job.
    std::string logLine;
    /// The third of the five lines in its log.

    static Wording of(Reason reason, std::chrono::seconds threshold);
};

const std::string& anyDetectorsError();
/// A regular expression of PostgreSQL that matches the error of a job which a detector terminated:
/// this one, or Coder's, which is called the reaper since mid-2025.

} // namespace HangDetection
