#pragma once

#include "Report.h"

namespace HangDetection::Benchmark {

Report measureDetector(int repeat, bool isLarge, bool hasLatency, const std::filesystem::path& plots);
/// What a run of the detector costs, beside the same work done statement by statement and beside
/// the least SQL that will do. Draws its plots into the directory. Throws an exception with what
/// is missing.

void runForMemory(const std::string& side, const std::string& connectionString, int hungJobs);
/// Runs a detector in this process, as measureDetector has it done in another one, and prints by how
/// many MB that made it grow.

} // namespace HangDetection::Benchmark
