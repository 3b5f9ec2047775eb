#include "BenchmarkDatabase.h"

#include "BenchmarkSql.h"
#include "Progress.h"

#include <algorithm>

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
    _session.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS provisioner_jobs_running_idx"
                     " ON provisioner_jobs (id) WHERE started_at IS NOT NULL AND completed_at IS NULL");
}

void BenchmarkDatabase::dropSearchIndex()
{
    _session.execute("DROP INDEX provisioner_jobs_running_idx");
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
