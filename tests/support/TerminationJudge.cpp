#include "TerminationJudge.h"

#include <cppunit/TestAssert.h>

#include <chrono>
#include <iterator>
#include <optional>
#include <sstream>

namespace HangDetection::Test {

namespace {

/// Far more than a notification takes that has been committed.
constexpr std::chrono::seconds patience{20};

constexpr const char* lastPayload = "the last one";

std::string judgementView(const TerminationJudge::Expectation& expectation)
/// One row for each job that there was: whether it is untouched, and what is missing for a
/// complete termination.
{
    const std::string minutes = expectation.minutes;
    const std::string workers = "'" + expectation.changedByWorkers + "'::text[]";
    const std::string termination = "'{updated_at,completed_at,error,error_code}'::text[]";
    const std::string stateAndTime = "'{provisioner_state,updated_at}'::text[]";
    return "CREATE VIEW before.judgement AS"
           " WITH stage AS ("
           "  SELECT DISTINCT ON (job_id) job_id, coalesce(nullif(stage, ''), 'Unknown') AS stage"
           "  FROM before.provisioner_job_logs ORDER BY job_id, id DESC"
           "), lines AS ("
           "  SELECT l.job_id, min(l.id) AS first_id,"
           "   array_agg(concat_ws('|', l.source, l.level, l.stage, l.created_at - j.completed_at, l.output)"
           "    ORDER BY l.id) AS lines"
           "  FROM provisioner_job_logs l JOIN provisioner_jobs j ON j.id = l.job_id"
           "  LEFT JOIN before.provisioner_job_logs b ON b.id = l.id"
           "  WHERE b.id IS NULL GROUP BY l.job_id"
           "), notified AS ("
           "  SELECT job_id, array_agg(payload) AS payloads FROM before.notifications GROUP BY job_id"
           "), build AS ("
           "  SELECT w.job_id, to_jsonb(w) = to_jsonb(b) AS is_untouched,"
           "   CASE WHEN octet_length(b.provisioner_state) > 0 OR previous.id IS NULL"
           "    THEN to_jsonb(w) = to_jsonb(b)"
           "    ELSE w.provisioner_state IS NOT DISTINCT FROM previous.provisioner_state"
           "     AND w.updated_at = j.completed_at"
           "     AND to_jsonb(w) - " +
           stateAndTime + " = to_jsonb(b) - " + stateAndTime +
           "   END AS has_state"
           "  FROM before.workspace_builds b JOIN workspace_builds w ON w.id = b.id"
           "  JOIN provisioner_jobs j ON j.id = b.job_id"
           "  LEFT JOIN before.workspace_builds previous ON previous.workspace_id = b.workspace_id"
           "   AND previous.build_number = b.build_number - 1"
           ") SELECT b.id AS job_id,"
           "  coalesce(to_jsonb(j) - " +
           workers + " = to_jsonb(b) - " + workers +
           "   AND lines.job_id IS NULL AND notified.job_id IS NULL AND build.is_untouched IS NOT false, "
           "false)"
           "  AS is_untouched,"
           "  concat_ws('; ',"
           "   CASE WHEN (j.completed_at = j.updated_at AND j.error_code IS NULL"
           "     AND j.error = 'Coder: Build has been detected as hung for " +
           minutes +
           " minutes and has been terminated by hang detector.') IS NOT true"
           "    THEN 'not marked failed: ' || coalesce(j.error, 'no error') END,"
           "   CASE WHEN (to_jsonb(j) - " +
           termination + " - " + workers + " = to_jsonb(b) - " + termination + " - " + workers +
           ") IS NOT true"
           "    THEN 'another column was changed' END,"
           "   CASE WHEN lines.lines IS DISTINCT FROM ARRAY["
           "     head.text || '00:00:00|', head.text || '00:00:00.001|====================',"
           "     head.text || '00:00:00.002|Coder: Build has been detected as hung for " +
           minutes +
           " minutes and will be terminated.',"
           "     head.text || '00:00:00.003|====================', head.text || '00:00:00.004|']"
           "    THEN 'not the five lines: ' || coalesce(lines.lines::text, 'none') END,"
           "   CASE WHEN notified.payloads IS DISTINCT FROM ARRAY["
           "     '{\"created_after\":' || lines.first_id - 1 || ',\"end_of_logs\":true}']"
           "    THEN 'not the one notification: ' || coalesce(notified.payloads::text, 'none') END,"
           "   CASE WHEN build.has_state IS false THEN 'not the right state' END"
           "  ) AS defects"
           " FROM before.provisioner_jobs b LEFT JOIN provisioner_jobs j ON j.id = b.id"
           " LEFT JOIN stage ON stage.job_id = b.id LEFT JOIN lines ON lines.job_id = b.id"
           " LEFT JOIN notified ON notified.job_id = b.id LEFT JOIN build ON build.job_id = b.id"
           " CROSS JOIN LATERAL (SELECT 'provisioner_daemon|error|' || coalesce(stage.stage, 'Unknown') || "
           "'|'"
           "  AS text) AS head";
}

std::set<std::string> words(const std::optional<std::string>& text)
{
    std::istringstream stream(text.value_or(""));
    return {std::istream_iterator<std::string>(stream), std::istream_iterator<std::string>()};
}

} // namespace

TerminationJudge::TerminationJudge(Sim::JobDatabase& database, const std::string& connectionString,
                                   const Expectation& expectation)
    : _database(database), _listener(connectionString)
{
    _database.execute("CREATE SCHEMA before");
    for (const std::string table : {"provisioner_jobs", "provisioner_job_logs", "workspace_builds"})
        _database.execute("CREATE TABLE before." + table + " AS TABLE " + table);
    _database.execute("CREATE TABLE before.notifications (job_id uuid, payload text)");
    _database.execute(judgementView(expectation));
    for (const std::string& job :
         words(_database.value("SELECT string_agg(id::text, $1) FROM before.provisioner_jobs", " ")))
        _listener.follow(job);
}

std::set<std::string> TerminationJudge::terminated()
{
    receive();
    const auto halves =
        _database.value("SELECT string_agg(job_id || ' ' || defects, $1) FROM before.judgement"
                        " WHERE NOT is_untouched AND defects <> ''",
                        "\n");
    CPPUNIT_ASSERT_MESSAGE("neither terminated nor untouched:\n" + halves.value_or(""), !halves);
    return words(
        _database.value("SELECT string_agg(job_id::text, $1) FROM before.judgement WHERE defects = ''", " "));
}

void TerminationJudge::receive()
/// All notifications that have been committed; they arrive in that order, so a last one tells.
{
    const std::string job =
        _database.value("SELECT id::text FROM before.provisioner_jobs LIMIT $1::int", "1").value();
    _database.execute("NOTIFY \"provisioner-log-logs:" + job + "\", '" + lastPayload + "'");
    while (true) {
        const auto notification = _listener.next(patience);
        CPPUNIT_ASSERT_MESSAGE("a notification has not arrived", notification);
        if (notification->payload == lastPayload)
            return;
        _database.value("INSERT INTO before.notifications VALUES ('" + notification->jobId +
                            "', $1) RETURNING payload",
                        notification->payload);
    }
}

} // namespace HangDetection::Test
