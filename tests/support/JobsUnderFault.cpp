#include "JobsUnderFault.h"

#include "TerminationFaults.h"

#include <cppunit/TestAssert.h>

#include <utility>

namespace HangDetection::Test {

JobsUnderFault::JobsUnderFault(std::string connectionString, const Sim::ContractTerms& terms)
    : RememberedJobs(std::move(connectionString), terms)
{}

void JobsUnderFault::drawOutTerminations()
{
    const std::string job = session().addJob();
    ++_added;
    _refused = 1;
    remember();
    refuse(session(), job);
    session().execute("CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
                      " 'BEGIN PERFORM pg_sleep(0.001); RETURN new; END'");
    session().execute("CREATE TRIGGER wait BEFORE INSERT ON provisioner_job_logs FOR EACH ROW"
                      " WHEN (new.output LIKE 'Coder:%') EXECUTE FUNCTION wait()");
}

void JobsUnderFault::endDrawingOut()
{
    refuseNoMore(session());
    session().execute("DROP FUNCTION wait CASCADE");
    _refused = 0;
}

void JobsUnderFault::topUp(int count)
{
    const int missing = count - (left() - _refused);
    if (missing <= 0)
        return;
    session().execute("BEGIN");
    for (int i = 0; i < missing; ++i)
        addOne();
    remember();
    session().execute("COMMIT");
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

void JobsUnderFault::expectNothingLeft()
{
    CPPUNIT_ASSERT_EQUAL(static_cast<std::size_t>(_added), terminatedCompletely().size());
}

void JobsUnderFault::addOne()
/// The kinds take turns.
{
    ++_added;
    if (_added % 4 == 0) {
        session().addJob();
        return;
    }
    if (_added % 4 == 1) {
        const std::string job = session().addJob({.type = "template_version_dry_run"});
        session().addLog(job, "Setting up");
        session().addLog(job, "Planning");
        _lines += 2;
        return;
    }
    const bool hasState = _added % 4 == 2;
    const std::string workspace = Sim::JobDatabase::newId();
    session().addBuildJob(
        {.completedAgo = "30 minutes"},
        {.jobId = "", .workspaceId = workspace, .buildNumber = 1, .state = "state of " + workspace});
    const std::string job =
        session().addBuildJob({}, {.jobId = "",
                                   .workspaceId = workspace,
                                   .buildNumber = 2,
                                   .state = hasState ? std::optional<std::string>("its own") : std::nullopt});
    session().addLog(job, "Starting workspace");
    ++_lines;
}

int JobsUnderFault::number(const std::string& query)
{
    return std::stoi(session().value("SELECT (" + query + ")::text").value());
}

} // namespace HangDetection::Test
