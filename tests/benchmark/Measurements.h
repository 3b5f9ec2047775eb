#pragma once

#include "BenchmarkDatabase.h"
#include "Report.h"

#include <chrono>
#include <string>
#include <vector>

namespace HangDetection::Benchmark {

/// Each of these makes one or more rows of the table. All sides work on the same database in
/// turn, each on fresh jobs.

Row measureRoundTrips(BenchmarkDatabase& database, const Sim::ThrowawayPostgres& server, int hungJobs);
/// Of one run, counted at the socket.

Row measureHungJobs(BenchmarkDatabase& database, int hungJobs, int repetitions, int slowRepetitions);
/// A run that terminates so many jobs, in milliseconds. The sides that go statement by
/// statement do it only slowRepetitions times, and that of 2023 not at all when it is 1.

Row jobsPerSecond(const Row& milliseconds, int jobs);
/// The same as a speed.

Row measureIdleRun(const BenchmarkDatabase& database, const std::string& what, int repetitions);
/// A run that finds nothing, in milliseconds.

Row measureMemory(BenchmarkDatabase& database, int hungJobs);
/// By how much a process grows that makes a run, at its peak, in MB.

int runForMemory(const std::string& side, const std::string& connectionString, int hungJobs);
/// What a process of measureMemory does; the result is its exit status.

std::vector<Row> measureLatency(BenchmarkDatabase& database);
/// How long after the moment in which it counts as hung a job is terminated, in seconds.

} // namespace HangDetection::Benchmark
