#include "JobsUnderFault.h"

#include "RememberedJobs.h"

#include <cppunit/TestAssert.h>

#include <algorithm>
#include <iterator>
#include <sstream>
#include <utility>

namespace HangDetection::Test {

namespace {

/// A channel like those of the jobs. Notifications arrive in the order of the commits.
constexpr const char* lastChannel = "the last one";

constexpr std::chrono::seconds patience{20};

using Lines = std::multiset<std::string>;

Lines linesOf(const std::string& text)
{
    Lines lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
        lines.insert(line);
    return lines;
}

Lines without(const Lines& all, const Lines& part)
{
    Lines rest;
    std::set_difference(all.begin(), all.end(), part.begin(), part.end(), std::inserter(rest, rest.end()));
    return rest;
}

void expectNone(const std::string& what, const Lines& found)
{
    std::string message = what + ':';
    for (const std::string& line : found)
        message += '\n' + line;
    CPPUNIT_ASSERT_MESSAGE(message, found.empty());
}

} // namespace

JobsUnderFault::JobsUnderFault(std::string connectionString) : _connectionString(std::move(connectionString))
{
    connect();
    _database->execute(rememberedJobsSql);
}

void JobsUnderFault::drawOutTerminations()
{
    const std::string job = _database->addJob();
    ++_added;
    _refused = 1;
    remember();
    _listener->follow(job);
    _database->execute("CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS"
                       " 'BEGIN RAISE EXCEPTION ''this job is refused''; END'");
    _database->execute("CREATE TRIGGER refuse_one BEFORE UPDATE ON provisioner_jobs FOR EACH ROW"
                       " WHEN (old.id = '" +
                       job + "') EXECUTE FUNCTION refuse_one()");
    _database->execute("CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
                       " 'BEGIN PERFORM pg_sleep(0.001); RETURN new; END'");
    _database->execute("CREATE TRIGGER wait BEFORE INSERT ON provisioner_job_logs FOR EACH ROW"
                       " WHEN (new.output LIKE 'Coder:%') EXECUTE FUNCTION wait()");
}

void JobsUnderFault::endDrawingOut()
{
    _database->execute("DROP FUNCTION refuse_one CASCADE");
    _database->execute("DROP FUNCTION wait CASCADE");
    _refused = 0;
}

void JobsUnderFault::topUp(int count)
{
    const int missing = count - (left() - _refused);
    if (missing <= 0)
        return;
    _database->execute("BEGIN");
    for (int i = 0; i < missing; ++i)
        _listener->follow(addOne());
    remember();
    _database->execute("COMMIT");
}

int JobsUnderFault::terminated()
{
    return number("SELECT count(*) FROM provisioner_jobs WHERE error IS NOT NULL");
}

int JobsUnderFault::linesTakenBack()
{
    const int written = number("SELECT last_value FROM provisioner_job_logs_id_seq");
    return written - _lines - 5 * terminated();
}

void JobsUnderFault::expectNoneInBetween()
{
    Lines inBetween;
    for (const std::string& line : linesOf(
             text("WITH look AS MATERIALIZED ("
                  " SELECT * FROM remembered.outcome o"
                  " WHERE NOT EXISTS (SELECT FROM remembered.settled s WHERE s.id = o.id)"
                  "), settling AS (INSERT INTO remembered.settled SELECT id FROM look WHERE is_terminated)"
                  " SELECT string_agg(CASE WHEN is_terminated THEN id || ' ' || payload ELSE id::text END,"
                  " E'\\n') FROM look WHERE NOT is_untouched")))
        (line.find(' ') == std::string::npos ? inBetween : _due).insert(line);
    expectNone("neither untouched nor terminated", inBetween);
}

void JobsUnderFault::expectNotified()
{
    // Detectors may be at work meanwhile: what is due now has to come, and what comes has to be due then.
    const Lines before = due();
    readNotifications();
    expectNone("not notified", without(before, _received));
    expectNone("notified twice, or wrongly", without(_received, due()));
}

void JobsUnderFault::expectNothingLeft()
{
    expectNotified();
    expectNone("not terminated, or changed since",
               linesOf(text(
                   "SELECT string_agg(o.id::text, E'\\n') FROM remembered.outcome o"
                   " JOIN remembered.provisioner_jobs j USING (id)"
                   " WHERE NOT CASE WHEN j.completed_at IS NULL THEN is_terminated ELSE is_untouched END")));
    CPPUNIT_ASSERT_EQUAL(static_cast<std::size_t>(_added), _due.size());
}

void JobsUnderFault::reconnect()
{
    receive(std::chrono::milliseconds(0)); // what came before the crash
    connect();
    for (const std::string& job : linesOf(text("SELECT string_agg(id::text, E'\\n') FROM provisioner_jobs"
                                               " WHERE completed_at IS NULL")))
        _listener->follow(job);
    const Lines lost = without(due(), _received);
    _received.insert(lost.begin(), lost.end());
    _notNotified += static_cast<int>(lost.size());
}

void JobsUnderFault::connect()
{
    _database.emplace(_connectionString);
    _database->execute("SET client_min_messages = error");
    _database->execute("SET synchronous_commit = local"); // what was seen is not forgotten in a crash
    _listener.emplace(_connectionString);
    _listener->follow(lastChannel);
}

std::string JobsUnderFault::addOne()
/// The kinds take turns.
{
    ++_added;
    switch (_added % 4) {
    case 0:
        return _database->addJob();
    case 1: {
        const std::string job = _database->addJob({.type = "template_version_dry_run"});
        _database->addLog(job, "Setting up");
        _database->addLog(job, "Planning");
        _lines += 2;
        return job;
    }
    default:
        break;
    }
    const bool hasState = _added % 4 == 2;
    const std::string workspace = Sim::JobDatabase::newId();
    _database->addBuildJob(
        {.completedAgo = "30 minutes"},
        {.jobId = "", .workspaceId = workspace, .buildNumber = 1, .state = "state of " + workspace});
    const std::string job = _database->addBuildJob(
        {}, {.jobId = "",
             .workspaceId = workspace,
             .buildNumber = 2,
             .state = hasState ? std::optional<std::string>("its own") : std::nullopt});
    _database->addLog(job, "Starting workspace");
    ++_lines;
    return job;
}

void JobsUnderFault::remember()
/// The jobs that were added since the last time, before anybody terminates them.
{
    _database->execute("INSERT INTO remembered.provisioner_job_logs SELECT * FROM provisioner_job_logs l"
                       " WHERE NOT EXISTS (SELECT FROM remembered.provisioner_jobs j WHERE j.id = l.job_id)");
    _database->execute("INSERT INTO remembered.workspace_builds SELECT * FROM workspace_builds b"
                       " WHERE NOT EXISTS (SELECT FROM remembered.provisioner_jobs j WHERE j.id = b.job_id)");
    _database->execute("INSERT INTO remembered.settled SELECT id FROM provisioner_jobs a"
                       " WHERE completed_at IS NOT NULL AND"
                       " NOT EXISTS (SELECT FROM remembered.provisioner_jobs j WHERE j.id = a.id)");
    _database->execute("INSERT INTO remembered.provisioner_jobs SELECT * FROM provisioner_jobs a"
                       " WHERE NOT EXISTS (SELECT FROM remembered.provisioner_jobs j WHERE j.id = a.id)");
}

void JobsUnderFault::readNotifications()
/// All that were sent up to now.
{
    _database->execute("NOTIFY \"provisioner-log-logs:" + std::string(lastChannel) + "\"");
    CPPUNIT_ASSERT_MESSAGE("a notification is missing", receive(patience));
}

bool JobsUnderFault::receive(std::chrono::milliseconds atMost)
/// True when the last one came; false when none came for so long.
{
    while (const auto notification = _listener->next(atMost)) {
        if (notification->jobId == lastChannel)
            return true;
        _received.insert(notification->jobId + ' ' + notification->payload);
    }
    return false;
}

const Lines& JobsUnderFault::due()
{
    expectNoneInBetween();
    return _due;
}

int JobsUnderFault::number(const std::string& sql)
{
    return std::stoi(text("SELECT (" + sql + ")::text"));
}

std::string JobsUnderFault::text(const std::string& sql)
{
    return _database->value(sql).value_or("");
}

} // namespace HangDetection::Test
