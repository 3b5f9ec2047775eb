#include "CoderDetector.h"

#include "ContractTexts.h"
#include "data/AdvisoryLock.h"

#include <algorithm>
#include <array>
#include <random>

namespace HangDetection::Test {

namespace {

using Era = CoderDetector::Era;

constexpr const char* allHungJobs =
    "SELECT * FROM provisioner_jobs WHERE updated_at < now() - $1::interval AND started_at IS NOT NULL"
    " AND completed_at IS NULL";

/// And those that were never started, be they canceled or not.
constexpr const char* someHungJobs =
    "SELECT * FROM provisioner_jobs WHERE (updated_at < now() - $2::interval AND started_at IS NULL"
    " AND completed_at IS NULL) OR (updated_at < now() - $1::interval AND started_at IS NOT NULL"
    " AND completed_at IS NULL) ORDER BY random() LIMIT $3";

std::string array(const std::array<std::string, 5>& texts)
{
    std::string literal;
    for (const std::string& text : texts)
        literal += (literal.empty() ? "{\"" : ",\"") + text + '"';
    return literal + '}';
}

} // namespace

CoderDetector::CoderDetector(const std::string& connectionString, Era era, int mostJobs)
    : _session(connectionString), _era(era), _mostJobs(mostJobs)
{}

void CoderDetector::run()
{
    for (const std::string& job : findHungJobs())
        terminate(job);
}

std::vector<std::string> CoderDetector::findHungJobs()
{
    const std::string statement = _era == Era::year2023 ? allHungJobs : someHungJobs;
    std::vector<LibpqSession::Parameter> parameters{"5 minutes"};
    if (_era == Era::year2026)
        parameters.insert(parameters.end(), {"30 minutes", std::to_string(_mostJobs)});
    const Answer answer = _session.ask(statement, parameters);
    std::vector<std::string> jobs;
    jobs.reserve(static_cast<std::size_t>(answer.rows()));
    for (int row = 0; row < answer.rows(); ++row)
        jobs.push_back(answer.value(row, "id"));
    if (jobs.size() > static_cast<std::size_t>(_mostJobs)) {
        std::shuffle(jobs.begin(), jobs.end(), std::minstd_rand(std::random_device()()));
        jobs.resize(static_cast<std::size_t>(_mostJobs));
    }
    return jobs;
}

void CoderDetector::terminate(const std::string& job)
{
    _session.execute("BEGIN");
    if (_era == Era::year2023 && !takeLock(job)) {
        ++_locked;
        _session.execute("ROLLBACK");
        return;
    }
    const Answer row = getJob(job);
    if (row.rows() == 0 || row.value(0, "is_eligible") != "t") {
        // The row's own lock leaves out the row.
        ++(row.rows() == 0 ? _locked : _ineligible);
        _session.execute("ROLLBACK");
        return;
    }
    Sim::ContractTexts texts;
    if (_era == Era::year2026)
        texts.detector = "the reaper";
    const bool isPending = row.value(0, "is_pending") == "t";
    if (isPending) {
        texts.reason = "pending";
        texts.minutes = "30";
    }
    const std::string lowestId = appendLines(job, texts.line());
    markFailed(job, texts.error(), isPending ? "now" : row.value(0, "started_at"));
    if (row.value(0, "type") == "workspace_build")
        copyState(job);
    _session.execute("COMMIT");
    _session.ask(
        "SELECT pg_notify($1, $2)",
        {"provisioner-log-logs:" + job,
         R"({"created_after":)" + std::to_string(std::stoll(lowestId) - 1) + R"(,"end_of_logs":true})"});
    _terminated.push_back(job);
}

bool CoderDetector::takeLock(const std::string& job)
{
    return _session
               .ask("SELECT pg_try_advisory_xact_lock($1::bigint) AS taken",
                    {std::to_string(advisoryLockKey(job))})
               .value(0, "taken") == "t";
}

Answer CoderDetector::getJob(const std::string& job)
{
    if (_era == Era::year2023)
        return _session.ask("SELECT *, started_at IS NOT NULL AND completed_at IS NULL"
                            " AND updated_at < now() - interval '5 minutes' AS is_eligible,"
                            " false AS is_pending FROM provisioner_jobs WHERE id = $1",
                            {job});
    return _session.ask(
        "SELECT *, completed_at IS NULL AND updated_at < now() - CASE WHEN is_pending"
        " THEN interval '30 minutes' ELSE interval '5 minutes' END AS is_eligible FROM (SELECT *,"
        " started_at IS NULL AND canceled_at IS NULL AS is_pending FROM provisioner_jobs WHERE id = $1"
        " FOR UPDATE SKIP LOCKED) AS j",
        {job});
}

std::string CoderDetector::appendLines(const std::string& job, const std::string& line)
/// The lowest id of the new ones. All lines of the job are loaded to learn its last stage.
{
    const Answer logs = _session.ask(
        "SELECT * FROM provisioner_job_logs WHERE job_id = $1 AND id > $2 ORDER BY id", {job, "0"});
    std::string stage = logs.rows() == 0 ? "" : logs.value(logs.rows() - 1, "stage");
    if (stage.empty())
        stage = "Unknown";

    const std::string rule = "====================";
    const Answer answer = _session.ask(
        "INSERT INTO provisioner_job_logs (job_id, created_at, source, level, stage, output)"
        " SELECT $1::uuid, now() + (number - 1) * interval '1 millisecond', $2::log_source, $3::log_level,"
        " $4::varchar(128), line FROM unnest($5::varchar(1024)[]) WITH ORDINALITY AS l (line, number)"
        " ORDER BY number RETURNING *",
        {job, "provisioner_daemon", "error", stage, array({"", rule, line, rule, ""})});
    return answer.value(0, "id");
}

void CoderDetector::markFailed(const std::string& job, const std::string& error, const std::string& startedAt)
{
    std::string statement = "UPDATE provisioner_jobs SET updated_at = $2, completed_at = $3, error = $4,"
                            " error_code = $5";
    std::vector<LibpqSession::Parameter> parameters{job, "now", "now", error, std::nullopt};
    if (_era == Era::year2026) {
        statement += ", started_at = $6";
        parameters.emplace_back(startedAt.empty() ? std::nullopt : std::optional(startedAt));
    }
    _session.ask(statement + " WHERE id = $1", parameters);
}

void CoderDetector::copyState(const std::string& job)
/// By way of the client.
{
    const Answer build = _session.ask("SELECT * FROM workspace_builds WHERE job_id = $1 LIMIT 1", {job});
    if (!build.value(0, "provisioner_state").empty())
        return;
    const Answer previous = _session.ask(
        "SELECT * FROM workspace_builds WHERE workspace_id = $1 AND build_number = $2",
        {build.value(0, "workspace_id"), std::to_string(std::stoi(build.value(0, "build_number")) - 1)});
    if (previous.rows() == 0)
        return;
    _session.ask("UPDATE workspace_builds SET provisioner_state = $1::bytea, updated_at = $2::timestamptz"
                 " WHERE id = $3::uuid",
                 {previous.value(0, "provisioner_state"), "now", build.value(0, "id")});
}

} // namespace HangDetection::Test
