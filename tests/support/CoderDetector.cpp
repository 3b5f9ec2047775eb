#include "CoderDetector.h"

#include "data/AdvisoryLock.h"

#include <iterator>
#include <sstream>

namespace HangDetection::Test {

CoderDetector::CoderDetector(const std::string& connectionString, Lock lock)
    : _database(connectionString), _lock(lock)
{}

void CoderDetector::run()
{
    for (const std::string& job : findHungJobs()) {
        _database.execute("BEGIN");
        const auto payload = terminateInTransaction(job);
        _database.execute("COMMIT");
        if (payload) {
            _terminated.push_back(job);
            _database.execute("NOTIFY \"provisioner-log-logs:" + job + "\", '" + *payload + "'");
        }
    }
}

std::vector<std::string> CoderDetector::findHungJobs()
{
    std::istringstream ids(
        _database
            .value(
                "SELECT string_agg(id::text, ' ') FROM (SELECT id FROM provisioner_jobs"
                " WHERE started_at IS NOT NULL AND completed_at IS NULL AND updated_at < now() - $1::interval"
                " ORDER BY random() LIMIT 10) AS hung",
                "5 minutes")
            .value_or(""));
    return {std::istream_iterator<std::string>(ids), std::istream_iterator<std::string>()};
}

std::optional<std::string> CoderDetector::terminateInTransaction(const std::string& job)
{
    if (!takeLock(job)) {
        ++_locked;
        return std::nullopt;
    }
    if (!isStillHung(job)) {
        ++_ineligible;
        return std::nullopt;
    }
    const std::string lowestId = appendLines(job);
    markFailed(job);
    copyState(job);
    return R"({"created_after":)" + std::to_string(std::stoll(lowestId) - 1) + R"(,"end_of_logs":true})";
}

bool CoderDetector::takeLock(const std::string& job)
{
    switch (_lock) {
    case Lock::advisory:
        return _database.isTrue("SELECT pg_try_advisory_xact_lock($1::bigint)",
                                std::to_string(advisoryLockKey(job)));
    case Lock::row:
        break;
    }
    return _database
        .value("SELECT id::text FROM provisioner_jobs WHERE id = $1::uuid FOR UPDATE SKIP LOCKED", job)
        .has_value();
}

bool CoderDetector::isStillHung(const std::string& job)
{
    return _database.isTrue("SELECT started_at IS NOT NULL AND completed_at IS NULL"
                            " AND updated_at < now() - interval '5 minutes'"
                            " FROM provisioner_jobs WHERE id = $1::uuid",
                            job);
}

std::string CoderDetector::appendLines(const std::string& job)
/// The lowest id of the new lines.
{
    const auto earlier = _database.logs(job);
    const std::string stage =
        earlier.empty() || earlier.back().stage.empty() ? "Unknown" : earlier.back().stage;
    return _database
        .value("WITH line AS ("
               " INSERT INTO provisioner_job_logs (job_id, created_at, source, level, stage, output)"
               " SELECT $1::uuid, now() + number * interval '1 millisecond', "
               "'provisioner_daemon'::log_source, 'error'::log_level, '" +
                   stage +
                   "', output FROM (VALUES (0, ''), (1, '===================='),"
                   " (2, 'Coder: Build has been detected as hung for 5 minutes and will be terminated.'),"
                   " (3, '===================='), (4, '')) AS line (number, output) ORDER BY number"
                   " RETURNING id) SELECT min(id)::text FROM line",
               job)
        .value();
}

void CoderDetector::markFailed(const std::string& job)
{
    _database.execute("UPDATE provisioner_jobs SET updated_at = now(), completed_at = now(),"
                      " error = 'Coder: Build has been detected as hung for 5 minutes and has been terminated"
                      " by hang detector.', error_code = NULL WHERE id = '" +
                      job + "'");
}

void CoderDetector::copyState(const std::string& job)
{
    const auto build = _database.value("SELECT id::text FROM workspace_builds WHERE job_id = $1::uuid"
                                       " AND coalesce(octet_length(provisioner_state), 0) = 0",
                                       job);
    if (!build)
        return;
    const auto previous = _database.value(
        "SELECT previous.id::text FROM workspace_builds b JOIN workspace_builds previous"
        " ON previous.workspace_id = b.workspace_id AND previous.build_number = b.build_number - 1"
        " WHERE b.id = $1::uuid",
        *build);
    if (!previous)
        return;
    _database.execute("UPDATE workspace_builds SET updated_at = now(), provisioner_state ="
                      " (SELECT provisioner_state FROM workspace_builds WHERE id = '" +
                      *previous + "') WHERE id = '" + *build + "'");
}

} // namespace HangDetection::Test
