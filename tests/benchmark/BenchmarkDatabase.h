#pragma once

#include "BenchmarkSql.h"
#include "Command.h"
#include "JobDatabase.h"
#include "LibpqSession.h"
#include "Report.h"
#include "ThrowawayPostgres.h"

#include <algorithm>

namespace HangDetection::Benchmark {

class BenchmarkDatabase
/// A job database with as many jobs as a measurement needs.
{
public:
    BenchmarkDatabase(const Sim::ThrowawayPostgres& server, const std::string& name)
        : _psql(server.binaries() / "psql"),
          _connectionString(madeDatabase(server, name)),
          _session(_connectionString)
    /// Made anew, without jobs and without the index for the search.
    {
        _session.execute("SET client_min_messages = warning");
    }

    const std::string& connectionString() const { return _connectionString; }

    void addHungJobs(int count)
    {
        add(Sql::add_hung_jobs, count);
        // A worker that reports. Without one the clock of Coder's server seems to be behind.
        if (!std::exchange(_hasWorker, true))
            addRunningJobs(1);
    }

    void addRunningJobs(int count)
    /// Their last heartbeat is still to come, so that none hangs while the benchmark lasts.
    {
        Sim::JobDatabase(_connectionString).addJobs(count, {.updatedAgo = "-1 day"});
    }

    void addFinishedJobs(int count)
    {
        for (const int end = _finished + count; _finished < end;) {
            showProgress("adding finished jobs: " + grouped(_finished) + " of " + grouped(end));
            _session.execute("SET benchmark.finished = " + std::to_string(_finished));
            const int step = std::min(50000, end - _finished);
            add(Sql::add_finished_jobs, step);
            _finished += step;
        }
    }

    void addLogLines(int ofEach)
    /// To each running job.
    {
        showProgress("adding log lines");
        add(Sql::add_log_lines, ofEach);
    }

    void addSearchIndex()
    /// packaging/sql/index.sql, as an operator does it.
    {
        Sim::mustRun(
            {_psql, "--no-psqlrc", "--quiet", "--dbname", _connectionString, "--file", INDEX_SCRIPT});
    }

    void dropSearchIndex() { _session.execute("DROP INDEX hang_detector_running_jobs"); }

    void settle()
    /// What was added is known to the planner and on the disk, so that no later measurement pays for it.
    {
        _session.execute("VACUUM ANALYZE");
        _session.execute("CHECKPOINT");
    }

private:
    static std::string madeDatabase(const Sim::ThrowawayPostgres& server, const std::string& name)
    {
        server.createDatabase(name);
        return server.connectionString(name);
    }

    void add(const char* script, int count)
    {
        _session.execute("SET benchmark.count = " + std::to_string(count));
        _session.execute(script);
    }

    const std::string _psql;
    const std::string _connectionString;
    Test::LibpqSession _session;
    int _finished = 0;
    bool _hasWorker = false;
};

} // namespace HangDetection::Benchmark
