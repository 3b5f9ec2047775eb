#include "RememberedJobs.h"

#include <cppunit/TestAssert.h>

#include <sstream>
#include <utility>

namespace HangDetection::Test {

namespace {

/// A channel like those of the jobs. Notifications arrive in the order of the commits.
constexpr const char* lastChannel = "the last one";

/// Far more than a notification takes that has been committed.
constexpr std::chrono::seconds patience{20};

using Lines = std::set<std::string>;

void expectNone(const std::string& what, const Lines& found)
{
    std::string message = what + ':';
    for (const std::string& line : found)
        message += '\n' + line;
    CPPUNIT_ASSERT_MESSAGE(message, found.empty());
}

} // namespace

RememberedJobs::RememberedJobs(std::string connectionString, const Sim::ContractTerms& terms)
    : _connectionString(std::move(connectionString))
{
    connect();
    Sim::beginToRemember(*_database, terms);
}

void RememberedJobs::remember()
{
    const std::vector<std::string> added = Sim::rememberJobs(*_database);
    follow({added.begin(), added.end()});
}

void RememberedJobs::expectNoneInBetween()
{
    // NOT IN keeps what is settled out before anything is compared, which an anti-join would not.
    expectNone(
        "neither untouched nor terminated",
        lines("WITH look AS MATERIALIZED ("
              " SELECT * FROM remembered.outcome"
              " WHERE id NOT IN (SELECT id FROM remembered.settled) AND NOT is_untouched"
              "), settling AS ("
              " INSERT INTO remembered.settled SELECT id, payload FROM look WHERE broken = '{}'"
              ") SELECT string_agg(id || ' ' || broken::text, E'\\n') FROM look WHERE broken <> '{}'"));
}

void RememberedJobs::expectNotified()
{
    // Detectors may be at work meanwhile: what is due now has to come, and what comes has to be due then.
    const PayloadByJob before = due();
    _database->execute("NOTIFY \"provisioner-log-logs:" + std::string(lastChannel) + "\"");
    CPPUNIT_ASSERT_MESSAGE("a notification has not arrived", receive(patience));
    Lines wrong;
    for (const auto& [job, payload] : before) {
        if (!Sim::isNotifiedOnce(_received, job, payload))
            wrong.insert(job + ' ' + payload);
    }
    expectNone("not notified once and rightly", wrong);
    PayloadByJob after = due();
    for (const auto& [job, payloads] : _received) {
        if (!Sim::isNotifiedOnce(_received, job, after[job]))
            wrong.insert(job + ' ' + payloads.back());
    }
    expectNone("notified twice, or wrongly", wrong);
}

std::set<std::string> RememberedJobs::terminatedCompletely()
{
    expectNotified();
    expectNone("changed since it was completed",
               lines("SELECT string_agg(o.id || ' ' || broken::text, E'\\n') FROM remembered.outcome o"
                     " LEFT JOIN remembered.settled s USING (id)"
                     " WHERE NOT CASE WHEN s.payload IS NULL THEN is_untouched ELSE broken = '{}' END"));
    return lines("SELECT string_agg(id::text, E'\\n') FROM remembered.settled WHERE payload IS NOT NULL");
}

void RememberedJobs::reconnect()
{
    receive(std::chrono::milliseconds(0)); // what came before the crash
    connect();
    follow(lines("SELECT string_agg(id::text, E'\\n') FROM remembered.provisioner_jobs"));
    for (const auto& [job, payload] : due())
        _notNotified += _received.try_emplace(job, 1, payload).second ? 1 : 0;
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

RememberedJobs::PayloadByJob RememberedJobs::due()
/// The notifications that belong to what was seen to be committed.
{
    expectNoneInBetween();
    PayloadByJob due;
    for (const std::string& line : lines("SELECT string_agg(id || ' ' || payload, E'\\n')"
                                         " FROM remembered.settled")) {
        const auto space = line.find(' ');
        due.emplace(line.substr(0, space), line.substr(space + 1));
    }
    return due;
}

bool RememberedJobs::receive(std::chrono::milliseconds atMost)
/// True when the last one came; false when none came for so long.
{
    while (const auto notification = _listener->next(atMost)) {
        if (notification->jobId == lastChannel)
            return true;
        _received[notification->jobId].push_back(notification->payload);
    }
    return false;
}

RememberedJobs::Lines RememberedJobs::lines(const std::string& query)
/// Of the text that is the answer.
{
    Lines lines;
    std::istringstream stream(_database->value(query).value_or(""));
    for (std::string line; std::getline(stream, line);)
        lines.insert(line);
    return lines;
}

} // namespace HangDetection::Test
