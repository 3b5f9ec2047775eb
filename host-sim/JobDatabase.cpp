#include "JobDatabase.h"

#include "data/Connection.h"

#include <Poco/Nullable.h>
#include <Poco/Tuple.h>
#include <Poco/UUIDGenerator.h>

namespace HangDetection::Sim {

namespace {

using namespace Poco::Data::Keywords;

using NullableText = Poco::Nullable<std::string>;

NullableText nullable(const std::optional<std::string>& text)
{
    return text ? NullableText(*text) : NullableText();
}

template <typename Value>
auto with(const Value& value)
/// A parameter. For a text, bind alone would be that of std.
{
    return Poco::Data::Keywords::bind(value);
}

std::string idOrNew(const std::string& id)
{
    return id.empty() ? JobDatabase::newId() : id;
}

Poco::Data::Session connect(const std::string& connectionString)
{
    prepareDatabaseLibraries();
    Poco::AutoPtr<Libpq::SessionImpl> session(new Libpq::SessionImpl);
    session->open(connectionString);
    return {session};
}

} // namespace

JobDatabase::JobDatabase(const std::string& connectionString) : _session(connect(connectionString)) {}

std::string JobDatabase::addJob(const JobRow& row)
{
    std::string id = idOrNew(row.id);
    insertJobs(1, id, row);
    return id;
}

void JobDatabase::addJobs(int count, const JobRow& row)
{
    insertJobs(count, std::nullopt, row);
}

void JobDatabase::insertJobs(int count, const std::optional<std::string>& id, const JobRow& row)
/// Without an id each job gets a new one.
{
    _session
        << "INSERT INTO provisioner_jobs (id, created_at, updated_at, started_at, canceled_at, completed_at,"
           " organization_id, initiator_id, file_id, provisioner, storage_method, type, worker_id)"
           " SELECT coalesce($1::uuid, gen_random_uuid()), now() - interval '1 hour', now() - $2::interval,"
           " now() - $3::interval, now() - $4::interval, now() - $5::interval, gen_random_uuid(),"
           " gen_random_uuid(), gen_random_uuid(), 'terraform', 'file', $6::provisioner_job_type,"
           " coalesce($8::uuid, gen_random_uuid()) FROM generate_series(1, $7)",
        with(nullable(id)), with(row.updatedAgo), with(nullable(row.startedAgo)),
        with(nullable(row.canceledAgo)), with(nullable(row.completedAgo)), with(row.type), with(count),
        with(nullable(row.worker)), now;
}

std::string JobDatabase::addDaemon(const std::string& name)
{
    std::string id = newId();
    _session << "INSERT INTO provisioner_daemons (id, name, last_seen_at) VALUES ($1::uuid, $2, now())",
        with(id), with(name), now;
    return id;
}

std::string JobDatabase::addBuild(const BuildRow& row)
{
    std::string workspaceId = idOrNew(row.workspaceId);
    _session << "INSERT INTO workspace_builds (id, created_at, updated_at, workspace_id, template_version_id,"
                " build_number, transition, initiator_id, provisioner_state, job_id)"
                " VALUES (gen_random_uuid(), now() - interval '1 hour', now() - interval '1 hour', $1::uuid,"
                " gen_random_uuid(), $2, 'start', gen_random_uuid(), convert_to($3, 'UTF8'), $4::uuid)",
        with(workspaceId), with(row.buildNumber), with(nullable(row.state)), with(row.jobId), now;
    return workspaceId;
}

std::string JobDatabase::addBuildJob(const JobRow& job, BuildRow build)
{
    JobRow buildJob = job;
    buildJob.type = "workspace_build";
    build.jobId = addJob(buildJob);
    addBuild(build);
    return build.jobId;
}

void JobDatabase::addLog(const std::string& jobId, const std::string& stage, const std::string& output,
                         const std::string& ago)
{
    _session << "INSERT INTO provisioner_job_logs (job_id, created_at, source, level, stage, output)"
                " VALUES ($1::uuid, now() - $4::interval, 'provisioner', 'info', $2, $3)",
        with(jobId), with(stage), with(output), with(ago), now;
}

void JobDatabase::heartbeat(const std::string& jobId)
{
    _session << "UPDATE provisioner_jobs SET updated_at = now() WHERE id = $1::uuid", with(jobId), now;
}

void JobDatabase::stopIfCanceled(const std::string& jobId)
{
    _session << "UPDATE provisioner_jobs SET updated_at = now(), completed_at = now(), error = 'Canceled'"
                " WHERE id = $1::uuid AND canceled_at IS NOT NULL AND completed_at IS NULL",
        with(jobId), now;
}

bool JobDatabase::isCompleted(const std::string& jobId)
{
    return isTrue("SELECT completed_at IS NOT NULL FROM provisioner_jobs WHERE id = $1::uuid", jobId);
}

std::vector<LogRow> JobDatabase::logs(const std::string& jobId)
{
    std::vector<Poco::Tuple<Poco::Int64, std::string, std::string, std::string, std::string, Poco::Int64>>
        rows;
    _session << "SELECT l.id, l.source::text, l.level::text, l.stage, l.output,"
                " coalesce((extract(epoch FROM l.created_at - j.completed_at) * 1000000)::bigint, 0)"
                " FROM provisioner_job_logs l JOIN provisioner_jobs j ON j.id = l.job_id"
                " WHERE l.job_id = $1::uuid ORDER BY l.id",
        into(rows), with(jobId), now;
    std::vector<LogRow> result;
    result.reserve(rows.size());
    for (const auto& row : rows)
        result.push_back(
            {row.get<0>(), row.get<1>(), row.get<2>(), row.get<3>(), row.get<4>(), row.get<5>()});
    return result;
}

std::vector<JobLook> JobDatabase::look()
{
    std::vector<Poco::Tuple<std::string, std::string, std::string, Poco::Int64, std::string>> rows;
    _session << "SELECT id::text,"
                " CASE WHEN completed_at IS NULL AND started_at IS NULL THEN 'queued'"
                " WHEN completed_at IS NULL THEN 'running'"
                " WHEN coalesce(error, '') = '' THEN 'done' ELSE 'failed' END,"
                " coalesce((SELECT stage FROM provisioner_job_logs WHERE job_id = job.id"
                " ORDER BY id DESC LIMIT 1), ''),"
                " extract(epoch FROM now() - updated_at)::bigint, coalesce(error, '')"
                " FROM provisioner_jobs job ORDER BY id",
        into(rows), now;
    std::vector<JobLook> result;
    result.reserve(rows.size());
    for (const auto& row : rows)
        result.push_back({row.get<0>(), row.get<1>(), row.get<2>(), row.get<3>(), row.get<4>()});
    return result;
}

std::optional<std::string> JobDatabase::value(const std::string& sql, const std::string& parameter)
{
    NullableText result;
    _session << sql, into(result), with(parameter), now;
    return result.isNull() ? std::nullopt : std::optional(result.value());
}

std::optional<std::string> JobDatabase::value(const std::string& sql)
{
    NullableText result;
    _session << sql, into(result), now;
    return result.isNull() ? std::nullopt : std::optional(result.value());
}

bool JobDatabase::isTrue(const std::string& sql, const std::string& parameter)
{
    return value("SELECT (" + sql + ")::text", parameter) == "true";
}

void JobDatabase::execute(const std::string& sql)
{
    _session << sql, now;
}

std::string JobDatabase::newId()
{
    return Poco::UUIDGenerator::defaultGenerator().createRandom().toString();
}

} // namespace HangDetection::Sim
