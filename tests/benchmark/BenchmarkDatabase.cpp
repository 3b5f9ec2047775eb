#include "BenchmarkDatabase.h"

#include "BenchmarkSql.h"
#include "Command.h"
#include "JobDatabase.h"
#include "Progress.h"

#include <algorithm>
#include <utility>

namespace HangDetection::Benchmark {

namespace {

const Sim::ThrowawayPostgres& withDatabase(const Sim::ThrowawayPostgres& server, const std::string& name)
{
    server.createDatabase(name);
    return server;
}

} // namespace

BenchmarkDatabase::BenchmarkDatabase(const Sim::ThrowawayPostgres& server, const std::string& name)
    : _server(withDatabase(server, name)), _name(name), _session(connectionString())
{
    _session.execute("SET client_min_messages = warning");
}

void BenchmarkDatabase::addHungJobs(int count)
{
    add(Sql::add_hung_jobs, count);
    // A worker that reports. Without one the clock of those that are just written seems to be behind.
    if (!std::exchange(_hasWorker, true))
        Sim::JobDatabase(connectionString()).addJob({.updatedAgo = "-1 hour"});
}

void BenchmarkDatabase::addRunningJobs(int count)
{
    add(Sql::add_running_jobs, count);
}

void BenchmarkDatabase::addFinishedJobs(int count)
{
    constexpr int atOnce = 50000;
    Progress progress("adding finished jobs", count / atOnce);
    for (int added = 0; added < count; added += atOnce) {
        const int step = std::min(atOnce, count - added);
        _session.execute("SET benchmark.finished = " + std::to_string(_finished));
        add(Sql::add_finished_jobs, step);
        _finished += step;
        progress.step();
    }
}

void BenchmarkDatabase::addSearchIndex()
{
    Sim::mustRun({_server.binaries() / "psql", "--no-psqlrc", "--quiet", "--dbname", connectionString(),
                  "--file", INDEX_SCRIPT});
}

void BenchmarkDatabase::dropSearchIndex()
{
    _session.execute("DROP INDEX hang_detector_running_jobs");
}

void BenchmarkDatabase::settle()
{
    _session.execute("VACUUM ANALYZE");
    _session.execute("CHECKPOINT");
}

void BenchmarkDatabase::add(const char* script, int count)
{
    _session.execute("SET benchmark.count = " + std::to_string(count));
    _session.execute(script);
}

} // namespace HangDetection::Benchmark
