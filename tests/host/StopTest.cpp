// The plugin stops in time, by fini, after which its host goes on, and by an exit() without
// fini, in each fault of the database and the network, when the plugin is known to have met it.

#include "ChildProcess.h"
#include "Count.h"
#include "CurrentTest.h"
#include "DatabaseFaults.h"
#include "Eventually.h"
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
#include <filesystem>
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

const std::vector<StopRow>& stops()
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
public:
    void tearDown() override
    {
        _host.reset();
        SimulatorFixture::tearDown();
    }

    CPPUNIT_TEST_SUITE(StopTest);
    CPPUNIT_TEST(stopsWhileIdle);
    CPPUNIT_TEST_SUITE_ADD_CUSTOM_TESTS(addStops);
    CPPUNIT_TEST_SUITE_END();

    static void addStops(TestSuiteBuilderContextType& context)
    {
        addRowTests(context, &StopTest::stopsIn, stops());
    }

    void stopsWhileIdle()
    {
        connect("1h");
        atBothEnds([this] {
            start();
            awaitLine(anyRun);
            const auto took = expectStop();
            expectNoSession();
            return took;
        });
    }

    void stopsIn(const StopRow& row)
    {
        addRole(testDatabase(), role);
        const DatabaseFault& fault = databaseFault(row.fault);
        const FaultSite site{server(), testDatabase(), role, [this] { addRole(testDatabase(), role); }};
        if (fault.isMetByTerminations)
            database().addJob();
        atBothEnds([&] {
            std::optional<MadeFault> made;
            if (!row.isMadeAtWork)
                made.emplace(fault, site);
            connect(row.interval, std::string(" user=") + role + (made ? made->connection() : ""));
            start();
            if (row.isMadeAtWork) {
                awaitLine(anyRun);
                made.emplace(fault, site);
            }
            const auto took = made->canHoldARun() ? expectStopOfHeldRun(fault, *made)
                                                  : expectStopAfterFailures(row, fault, *made);
            made->end();
            expectNoSession();
            return took;
        });
    }

    std::chrono::milliseconds expectStopOfHeldRun(const DatabaseFault& fault, const MadeFault& made)
    {
        await([&] { return made.holdsARun(); });
        made.complete();
        return fault.isAnswered ? expectRunCanceled() : expectRunCutOff();
    }

    std::chrono::milliseconds expectStopAfterFailures(const StopRow& row, const DatabaseFault& fault,
                                                      MadeFault& made)
    {
        awaitLine("run failed", row.failures);
        if (!row.isMadeAtWork)
            awaitLine(fault.cause);
        if (row.isOver) {
            made.end();
            awaitLine("database answers again");
        }
        return expectStop();
    }

    void atBothEnds(const std::function<std::chrono::milliseconds()>& stop)
    /// Brings about a state and stops the plugin in it, which returns how long that took.
    {
        auto longest = 0ms;
        for (const bool withFini : {true, false}) {
            _endsWithFini = withFini;
            longest = std::max(longest, stopInTime(stop));
        }
        figure() << CurrentTest::name() << " by fini and by exit() within " << longest.count() << " ms\n";
    }

    void start()
    {
        std::filesystem::remove(directory().path() / "output");
        _host.emplace(_endsWithFini
                          ? Sim::CommandLine{OBEDIENT_HOST, (directory().path() / "slurm.conf").string()}
                          : simulator({"--verbose", "--exit-without-fini"}),
                      directory().path() / "output");
    }

    std::chrono::milliseconds expectStop()
    {
        const auto asked = Clock::now();
        if (_endsWithFini) {
            kill(_host.value().id(), SIGHUP);
            // Before that the thread may not have its name yet.
            awaitLine("unloaded in ");
            const bool hasStopped =
                eventually(patience, [this] { return !threadsOf(_host->id()).contains("hang_detector"); });
            CPPUNIT_ASSERT_MESSAGE("it did not stop:\n" + output(), hasStopped);
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
        kill(_host.value().id(), SIGTERM);
        const auto status = _host->waitUntilEnded(patience);
        CPPUNIT_ASSERT_MESSAGE("it did not end:\n" + output(), status.has_value());
        CPPUNIT_ASSERT_EQUAL_MESSAGE(output(), 0, *status);
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

    void connect(const std::string& interval, const std::string& options = "")
    /// Of an option that is there twice, the last one counts.
    {
        directory().write("hang_detector.conf", "Connection=" + connectionString() + " application_name=" +
                                                    application + options + "\nInterval=" + interval + "\n");
    }

    void awaitLine(const std::string& part, std::size_t lines = 1)
    {
        await([&] { return count(output(), part) >= lines; });
    }

    template <typename Condition>
    void await(Condition condition)
    {
        if (!eventually(patience, condition))
            CPPUNIT_FAIL(output());
    }

    std::string output() const { return directory().read("output"); }

    using Clock = std::chrono::steady_clock;

    static constexpr const char* application = "detector_that_stops";
    static constexpr const char* anyRun = "hang_detector: run finished";
    static constexpr const char* role = "role_that_stops";

    static constexpr std::chrono::seconds patience{20};

    std::optional<ChildProcess> _host;
    bool _endsWithFini = true;
};

CPPUNIT_TEST_SUITE_REGISTRATION(StopTest);

} // namespace HangDetection::Test
