#include "RememberedJobs.h"

#include <Poco/String.h>
#include <Poco/StringTokenizer.h>
#include <cppunit/TestAssert.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace HangDetection::Test {

namespace {

/// A channel like those of the jobs. Notifications arrive in the order of the commits.
constexpr const char* lastChannel = "the last one";

/// Far more than a notification takes that has been committed.
constexpr std::chrono::seconds patience{20};

using Lines = std::multiset<std::string>;

Lines without(const Lines& all, const Lines& part)
{
    Lines rest;
    std::set_difference(all.begin(), all.end(), part.begin(), part.end(), std::inserter(rest, rest.end()));
    return rest;
}

void expectNone(const std::string& what, const Lines& found)
{
    CPPUNIT_ASSERT_MESSAGE(what + ":\n" + Poco::cat(std::string("\n"), found.begin(), found.end()),
                           found.empty());
}

} // namespace

RememberedJobs::RememberedJobs(std::string connectionString, const ExpectedTermination& expected)
    : _connectionString(std::move(connectionString))
{
    connect();
    _database->execute(sql);
    _database->execute("INSERT INTO remembered.settings VALUES ('" +
                       std::to_string(expected.threshold.count()) + " seconds', '" + expected.minutes +
                       "', '" + expected.reason + "', '" + expected.changedByWorkers + "')");
}

void RememberedJobs::remember()
{
    follow(lines("WITH added AS ("
                 " INSERT INTO remembered.provisioner_jobs SELECT * FROM provisioner_jobs"
                 " WHERE id NOT IN (SELECT id FROM remembered.provisioner_jobs) RETURNING id, completed_at"
                 "), log AS ("
                 " INSERT INTO remembered.provisioner_job_logs SELECT l.* FROM provisioner_job_logs l"
                 " JOIN added ON added.id = l.job_id"
                 "), build AS ("
                 " INSERT INTO remembered.workspace_builds SELECT b.* FROM workspace_builds b"
                 " JOIN added ON added.id = b.job_id"
                 "), completed AS ("
                 " INSERT INTO remembered.settled SELECT id FROM added WHERE completed_at IS NOT NULL"
                 ") SELECT string_agg(id::text, E'\\n') FROM added"));
}

void RememberedJobs::expectNoneInBetween()
{
    // NOT IN keeps what is settled out before anything is compared, which an anti-join would not.
    expectNone("neither untouched nor terminated",
               lines("WITH look AS MATERIALIZED ("
                     " SELECT * FROM remembered.outcome"
                     " WHERE id NOT IN (SELECT id FROM remembered.settled) AND NOT is_untouched"
                     "), settling AS ("
                     " INSERT INTO remembered.settled SELECT id, payload FROM look WHERE defects = ''"
                     ") SELECT string_agg(id || ' ' || defects, E'\\n') FROM look WHERE defects <> ''"));
}

void RememberedJobs::expectNotified()
{
    // Detectors may be at work meanwhile: what is due now has to come, and what comes has to be due then.
    const Lines before = due();
    _database->execute("NOTIFY \"provisioner-log-logs:" + std::string(lastChannel) + "\"");
    CPPUNIT_ASSERT_MESSAGE("a notification has not arrived", receive(patience));
    expectNone("not notified", without(before, _received));
    expectNone("notified twice, or wrongly", without(_received, due()));
}

std::set<std::string> RememberedJobs::terminatedCompletely()
{
    expectNotified();
    expectNone("changed since it was completed",
               lines("SELECT string_agg(o.id || ' ' || defects, E'\\n') FROM remembered.outcome o"
                     " LEFT JOIN remembered.settled s USING (id)"
                     " WHERE NOT CASE WHEN s.payload IS NULL THEN is_untouched ELSE defects = '' END"));
    const Lines jobs =
        lines("SELECT string_agg(id::text, E'\\n') FROM remembered.settled WHERE payload IS NOT NULL");
    return {jobs.begin(), jobs.end()};
}

void RememberedJobs::reconnect()
{
    receive(std::chrono::milliseconds(0)); // what came before the crash
    connect();
    follow(lines("SELECT string_agg(id::text, E'\\n') FROM remembered.provisioner_jobs"));
    const Lines lost = without(due(), _received);
    _received.insert(lost.begin(), lost.end());
    _notNotified += static_cast<int>(lost.size());
}

void RememberedJobs::connect()
{
    _database.emplace(_connectionString);
    _database->execute("SET client_min_messages = error");
    _database->execute("SET jit = off");                  // takes longer than a look
    _database->execute("SET synchronous_commit = local"); // what was seen is not forgotten in a crash
    _listener.emplace(_connectionString);
    _listener->follow(lastChannel);
}

void RememberedJobs::follow(const Lines& jobs)
{
    for (const std::string& job : jobs)
        _listener->follow(job);
}

RememberedJobs::Lines RememberedJobs::due()
/// The notifications that belong to what was seen to be committed.
{
    expectNoneInBetween();
    return lines("SELECT string_agg(id || ' ' || payload, E'\\n') FROM remembered.settled");
}

bool RememberedJobs::receive(std::chrono::milliseconds atMost)
/// True when the last one came; false when none came for so long.
{
    while (const auto notification = _listener->next(atMost)) {
        if (notification->jobId == lastChannel)
            return true;
        _received.insert(notification->jobId + ' ' + notification->payload);
    }
    return false;
}

RememberedJobs::Lines RememberedJobs::lines(const std::string& query)
/// Of the text that is the answer.
{
    const Poco::StringTokenizer lines(_database->value(query).value_or(""), "\n",
                                      Poco::StringTokenizer::TOK_IGNORE_EMPTY);
    return {lines.begin(), lines.end()};
}

} // namespace HangDetection::Test
