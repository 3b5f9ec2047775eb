// The plugin stops in time, by fini, after which its host goes on, and by an exit() without
// fini, in each fault of the database and the network, when the plugin is known to have met it.

#include "Count.h"
#include "CurrentTest.h"
#include "DatabaseFaults.h"
#include "Figure.h"
#include "ProcessState.h"
#include "RowTests.h"
#include "ServerLog.h"
#include "SimulatorFixture.h"
#include "StopInTime.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace HangDetection::Test {

using namespace std::chrono_literals;

namespace {

struct StopRow
/// A fault, and when the plugin is asked to stop.
{
    std::string fault;
    std::string variant = {};
    std::string interval = "1";
    bool isMadeAtWork = false;
    /// After a run.
    std::size_t failures = 1;
    /// Of runs, before the stop, where the fault makes them fail.
    bool isOver = false;
    /// The stop comes when the fault has ended.
};

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

} // namespace

class StopTest : public SimulatorFixture
{
    CPPUNIT_TEST_SUITE(StopTest);
    CPPUNIT_TEST(stopsWhileIdle);
    CPPUNIT_TEST_SUITE_ADD_CUSTOM_TESTS(addStops);
    CPPUNIT_TEST_SUITE_END();

    using Clock = std::chrono::steady_clock;

    static void addStops(TestSuiteBuilderContextType& context)
    {
        addRowTests(context, &StopTest::stopsUnder, stopsUnderFault());
    }

    void stopsWhileIdle()
    {
        atBothEnds([this] {
            start("", "1h");
            awaitLog("hang_detector: run finished");
            return expectStop();
        });
    }

    void stopsUnder(const StopRow& row)
    {
        const std::string role = "role_that_stops";
        const FaultSite site{server(), testDatabase(), role, [this, role] { addRole(testDatabase(), role); }};
        site.grant();
        if (databaseFault(row.fault).isMetByTerminations)
            database().addJob();
        atBothEnds([&] { return stopUnder(row, site); });
    }

    void atBothEnds(const std::function<std::chrono::milliseconds()>& stopInAState)
    /// The function returns how long the stop took.
    {
        auto longest = 0ms;
        for (const bool withFini : {true, false}) {
            _endsWithFini = withFini;
            longest = std::max(longest, stopInTime([&] {
                                   const auto took = stopInAState();
                                   expectNoSession();
                                   return took;
                               }));
        }
        figure() << CurrentTest::name() << " by fini and by exit() within " << longest.count() << " ms\n";
    }

    std::chrono::milliseconds stopUnder(const StopRow& row, const FaultSite& site)
    /// Makes the fault, stops the plugin when it has met it, and ends the fault.
    {
        const DatabaseFault& fault = databaseFault(row.fault);
        std::optional<MadeFault> made;
        if (!row.isMadeAtWork)
            made.emplace(fault, site);
        start(" user=" + site.role + (made ? made->connection() : ""), row.interval);
        if (row.isMadeAtWork) {
            awaitLog("hang_detector: run finished");
            made.emplace(fault, site);
        }
        auto took = 0ms;
        if (made->canHoldARun()) {
            await([&] { return made->holdsARun(); });
            made->complete();
            took = fault.isAnswered ? expectRunCanceled() : expectRunCutOff();
        } else {
            awaitLog("run failed", row.failures);
            if (!row.isMadeAtWork)
                awaitLog(fault.cause);
            if (row.isOver) {
                made->end();
                awaitLog("database answers again");
            }
            took = expectStop();
        }
        made->end();
        return took;
    }

    void start(const std::string& options, const std::string& interval)
    /// The options come last in the connection string.
    {
        directory().write("hang_detector.conf", "Connection=" + connectionString() + " application_name=" +
                                                    application + options + "\nInterval=" + interval + "\n");
        startHost(_endsWithFini
                      ? Sim::CommandLine{OBEDIENT_HOST, (directory().path() / "slurm.conf").string()}
                      : simulator({"--verbose", "--exit-without-fini"}));
    }

    void awaitLog(const std::string& text, std::size_t lines = 1)
    {
        await([&] { return count(output(), text) >= lines; });
    }

    std::chrono::milliseconds expectStop()
    {
        const auto asked = Clock::now();
        if (_endsWithFini) {
            kill(host().id(), SIGHUP);
            // Before that the thread may not have its name yet.
            awaitLog("unloaded in ");
            await([this] { return !threadsOf(host().id()).contains("hang_detector"); });
        } else {
            expectEnd();
        }
        const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - asked);
        if (_endsWithFini)
            expectEnd();
        return took;
    }

    void expectEnd()
    {
        kill(host().id(), SIGTERM);
        expectEndOfHost(0);
    }

    std::chrono::milliseconds expectRunCutOff()
    /// A stop in which the run has ended before the process, which would also end without that.
    {
        const auto took = expectStop();
        if (took < promisedStop)
            CPPUNIT_ASSERT_MESSAGE(output(), count(output(), "hang_detector: run stopped") == 1);
        return took;
    }

    std::chrono::milliseconds expectRunCanceled()
    /// A server does not see that its client has gone, and would go on with the statement.
    {
        const std::size_t before = cancellations(server());
        const auto took = expectRunCutOff();
        await([&] { return cancellations(server()) == before + 1; });
        expectNoSession();
        return took;
    }

    void expectNoSession()
    {
        await([this] { return !testDatabase().hasSessionOf(application); });
    }

    static constexpr const char* application = "detector_that_stops";

    bool _endsWithFini = true;
};

CPPUNIT_TEST_SUITE_REGISTRATION(StopTest);

} // namespace HangDetection::Test
