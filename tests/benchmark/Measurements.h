#pragma once

#include "BenchmarkDatabase.h"
#include "Report.h"

#include <array>
#include <string>

namespace HangDetection::Benchmark {

/// Each of these makes one row of the table. All sides work on the same database in turn,
/// each on fresh jobs.

Row measureRoundTrips(BenchmarkDatabase& database, const Sim::ThrowawayPostgres& server, int hungJobs);
/// Of one run, counted at the socket.

using Repetitions = std::array<int, sides>;
/// How often each side is measured.

enum class Maintenance
/// When the tables are vacuumed, which makes the server forget the plans that it keeps for a session.
{
    once,     /// before the first run
    afterEach /// so that the next run plans its statements anew
};

Row measureHungJobs(BenchmarkDatabase& database, int hungJobs, const Repetitions& repetitions,
                    Maintenance maintenance);
/// A run that terminates so many jobs, in milliseconds.

Row jobsPerSecond(const Row& milliseconds, int jobs);
/// The same as a speed.

Row measureIdleRun(const BenchmarkDatabase& database, const std::string& what, int repetitions);
/// A run that finds nothing, in milliseconds.

Row measureMemory(BenchmarkDatabase& database, int hungJobs);
/// By how much a process grows that makes a run, at its peak, in MB.

int runForMemory(const std::string& side, const std::string& connectionString, int hungJobs);
/// What a process of measureMemory does; the result is its exit status.

Row measureLatency(const Sim::ThrowawayPostgres& server);
/// How long after the moment in which it counts as hung a job is terminated, in seconds.

} // namespace HangDetection::Benchmark
