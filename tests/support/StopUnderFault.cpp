#include "StopUnderFault.h"

#include "Eventually.h"

#include <cppunit/TestAssert.h>

namespace HangDetection::Test {

const std::vector<StopRow>& stopsUnderFault()
{
    static const std::vector<StopRow> rows{
        {.fault = "aStatementThatTakesLong"},
        {.fault = "aLockOnTheJobs"},
        // The pause after the third failure is longer than a stop may take.
        {.fault = "aServerThatIsDown", .interval = "1h", .failures = 3},
        {.fault = "aServerThatIsDown", .variant = "AtWork", .isMadeAtWork = true},
        {.fault = "aServerThatIsDown", .variant = "AndComesBack", .isMadeAtWork = true, .isOver = true},
        {.fault = "aServerThatRefuses"},
        {.fault = "aRoleWithoutConnectionsLeft"},
        {.fault = "aStandby"},
        {.fault = "aMissingPrivilege"},
        {.fault = "aFullDisk"},
        {.fault = "aSilentConnect"},
        {.fault = "aSilentLogin"},
        {.fault = "aSilentStatement"},
        {.fault = "aFrozenServer", .interval = "1h", .isMadeAtWork = true, .failures = 0},
        {.fault = "aFrozenStatement"},
    };
    return rows;
}

void StopUnderFault::prepare(const StopRow& row, Sim::ThrowawayPostgres& server, TestDatabase& database)
{
    const std::string role = "role_that_stops";
    _row = row;
    _site.emplace(FaultSite{server, database, role, [&database, role] { addRole(database, role); }});
    _site->grant();
    if (databaseFault(row.fault).isMetByTerminations)
        database.session().addJob();
}

std::chrono::milliseconds StopUnderFault::stop()
{
    const FaultSite& site = _site.value();
    const DatabaseFault& fault = databaseFault(_row.fault);
    std::optional<MadeFault> made;
    if (!_row.isMadeAtWork)
        made.emplace(fault, site);
    start(" user=" + site.role + (made ? made->parts.connection : ""), _row.interval);
    if (_row.isMadeAtWork) {
        awaitWork();
        made.emplace(fault, site);
    }
    std::chrono::milliseconds took{0};
    if (made->parts.holdsARun) {
        if (!eventually(std::chrono::seconds(20), [&] { return made->parts.holdsARun(); }))
            CPPUNIT_FAIL("no run is held:\n" + log());
        if (made->parts.complete)
            made->parts.complete();
        took = expectStopOfHeldRun(fault.isAnswered);
    } else {
        awaitLog("run failed", _row.failures);
        if (!_row.isMadeAtWork)
            awaitLog(fault.cause, 1);
        if (_row.isOver) {
            made->now();
            awaitLog("database answers again", 1);
        }
        took = expectStop();
    }
    made->now();
    return took;
}

} // namespace HangDetection::Test
