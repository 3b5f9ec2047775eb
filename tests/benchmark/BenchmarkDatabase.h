#pragma once

#include "LibpqSession.h"
#include "ThrowawayPostgres.h"

#include <string>

namespace HangDetection::Benchmark {

class BenchmarkDatabase
/// A job database with as many jobs as a measurement needs.
{
public:
    BenchmarkDatabase(const Sim::ThrowawayPostgres& server, const std::string& name);
    /// Made anew, without jobs and without the index for the search.

    std::string connectionString() const { return _server.connectionString(_name); }

    void addHungJobs(int count);

    void addRunningJobs(int count);
    /// They hang only after the benchmark.

    void addFinishedJobs(int count);

    void addSearchIndex();
    /// packaging/sql/index.sql, as an operator does it.

    void dropSearchIndex();

    void settle();
    /// What was added is known to the planner and on the disk, so that nobody who is measured
    /// afterwards pays for it.

private:
    void add(const char* script, int count);

    const Sim::ThrowawayPostgres& _server;
    const std::string _name;
    Test::LibpqSession _session;
    long _finished = 0;
    bool _hasWorker = false;
};

} // namespace HangDetection::Benchmark
