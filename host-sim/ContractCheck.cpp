#include "ContractCheck.h"

#include "ContractTexts.h"
#include "Schema.h"

#include <Poco/StringTokenizer.h>

#include <utility>

namespace HangDetection::Sim {

namespace {

std::vector<std::string> split(const std::string& text, const std::string& separator)
{
    const Poco::StringTokenizer tokens(text, separator);
    return {tokens.begin(), tokens.end()};
}

void addTerms(JobDatabase& database, const std::string& jobId, bool isPending, const std::string& threshold,
              ContractTexts texts, const std::vector<std::string>& detectors)
/// For one job, or without an id for all others.
{
    std::string errors;
    for (const std::string& detector : detectors) {
        texts.detector = detector;
        errors += (errors.empty() ? "'" : ", '") + texts.error() + '\'';
    }
    database.execute("INSERT INTO remembered.terms VALUES (" +
                     (jobId.empty() ? "NULL" : '\'' + jobId + '\'') + ", " + (isPending ? "true" : "false") +
                     ", '" + threshold + "', '" + texts.line() + "', ARRAY[" + errors + "])");
}

} // namespace

void beginToRemember(JobDatabase& database, const ContractTerms& terms)
{
    database.execute("SET jit = off"); // takes longer than a look
    database.execute(contractSql);
    database.execute("INSERT INTO remembered.settings VALUES ('" + terms.changedByWorkers + "')");
    addTerms(database, "", false, std::to_string(terms.threshold.count()) + " seconds",
             {.minutes = terms.minutes}, terms.detectors);
    if (!terms.pendingMinutes.empty())
        addTerms(database, "", true, terms.pendingMinutes + " minutes",
                 {.reason = "pending", .minutes = terms.pendingMinutes}, terms.detectors);
    for (const auto& [job, workerEnd] : terms.ended)
        addTerms(database, job, false, "10 seconds", {.workerEnd = workerEnd}, terms.detectors);
}

std::vector<std::string> rememberJobs(JobDatabase& database)
{
    const auto ids =
        database.value("WITH added AS ("
                       " INSERT INTO remembered.provisioner_jobs SELECT * FROM provisioner_jobs"
                       " WHERE id NOT IN (SELECT id FROM remembered.provisioner_jobs)"
                       " RETURNING id, completed_at"
                       "), log AS ("
                       " INSERT INTO remembered.provisioner_job_logs SELECT l.* FROM provisioner_job_logs l"
                       " JOIN added ON added.id = l.job_id"
                       "), build AS ("
                       " INSERT INTO remembered.workspace_builds SELECT b.* FROM workspace_builds b"
                       " JOIN added ON added.id = b.job_id"
                       "), completed AS ("
                       " INSERT INTO remembered.settled SELECT id FROM added WHERE completed_at IS NOT NULL"
                       ") SELECT string_agg(id::text, E'\\n') FROM added");
    return split(ids.value_or(""), "\n");
}

bool isNotifiedOnce(const NotificationsByJob& notifications, const std::string& jobId,
                    const std::string& payload)
{
    const auto arrived = notifications.find(jobId);
    return arrived != notifications.end() && arrived->second == std::vector{payload};
}

std::map<std::string, JobOutcome> outcomes(JobDatabase& database, const NotificationsByJob& notifications)
{
    const auto rows =
        database.value("SELECT string_agg(concat_ws('|', id, is_untouched, has_only_reported,"
                       " coalesce(payload, ''), (SELECT string_agg(promise, '|')"
                       " FROM jsonb_object_keys(broken) AS promise)), E'\\n') FROM remembered.outcome");
    std::map<std::string, JobOutcome> outcomes;
    for (const std::string& row : split(rows.value_or(""), "\n")) {
        const std::vector<std::string> fields = split(row, "|");
        constexpr int promisesFrom = 4;
        JobOutcome outcome{.isUntouched = fields.at(1) == "t",
                           .hasOnlyReported = fields.at(2) == "t",
                           .broken = {fields.begin() + promisesFrom, fields.end()}};
        const std::string& id = fields.at(0);
        if (!isNotifiedOnce(notifications, id, fields.at(3)))
            outcome.broken.insert(Promise::notification);
        outcomes.emplace(id, std::move(outcome));
    }
    return outcomes;
}

} // namespace HangDetection::Sim
