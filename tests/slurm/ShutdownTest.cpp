// slurmctld ends cleanly, and in time, whatever the detector is doing. The two seconds of
// stopInTime are the plugin's, but slurmctld gets nothing on top of them: it takes about a
// tenth of a second by itself.

#include "DatabaseFaults.h"
#include "Eventually.h"
#include "RowTests.h"
#include "ServerLog.h"
#include "SlurmFixture.h"
#include "StopInTime.h"
#include "TerminationFaults.h"

#include <cppunit/extensions/HelperMacros.h>

#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace HangDetection::Test {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

struct ShutdownRow
/// A fault, and when slurmctld is asked to end.
{
    std::string fault;
    std::string variant = {};
    std::string interval = "1";
    bool isMadeAtWork = false;
    /// After a termination.
    std::size_t failures = 1;
    /// Of runs, before the end, where the fault makes them fail.
    bool isOver = false;
    /// The end comes when the fault has ended.
    bool isDaemon = false;
    /// slurmctld runs in the background.
};

const std::vector<ShutdownRow>& shutdowns()
{
    static const std::vector<ShutdownRow> rows{
        {.fault = "aLockOnTheJobs"},
        {.fault = "aLockOnTheJobs", .variant = "ForADaemon", .isDaemon = true},
        {.fault = "aStatementThatTakesLong"},
        {.fault = "aFrozenStatement"},
        {.fault = "aSilentConnect"},
        // The pause after the third failure is longer than a stop may take.
        {.fault = "aServerThatIsDown", .interval = "1h", .failures = 3},
        {.fault = "aServerThatIsDown", .variant = "AndComesBack", .isMadeAtWork = true, .isOver = true},
        {.fault = "aServerThatRefuses"},
        {.fault = "aRoleWithoutConnectionsLeft"},
        {.fault = "aStandby"},
        {.fault = "aMissingPrivilege"},
        {.fault = "aFullDisk"},
    };
    return rows;
}

} // namespace

class ShutdownTest : public SlurmFixture
{
public:
    void setUp() override
    /// With a node: once slurmctld has been up for five seconds, it waits for three more at its end
    /// when a node does not answer, with or without the plugin.
    {
        SlurmFixture::setUp();
        cluster().startController();
        cluster().startNode();
        cluster().stopController(10s);
    }

    CPPUNIT_TEST_SUITE(ShutdownTest);
    CPPUNIT_TEST(stopsWhenTheDetectorIsIdle);
    CPPUNIT_TEST(stopsWhenTheDetectorIsBusy);
    CPPUNIT_TEST_SUITE_ADD_CUSTOM_TESTS(addShutdowns);
    CPPUNIT_TEST(stopsAfterThePluginWasTakenOut);
    CPPUNIT_TEST(stopsAsADaemon);
    CPPUNIT_TEST_SUITE_END();

    static void addShutdowns(TestSuiteBuilderContextType& context)
    {
        addRowTests(context, &ShutdownTest::stopsIn, shutdowns());
    }

    void stopsWhenTheDetectorIsIdle()
    {
        cluster().writeSettings("Connection=" + connectionString() + "\nInterval=1h\n");
        stopInTime([this] {
            const std::string hung = database().addJob();
            cluster().startController();
            waitUntilTerminated(hung);
            return requireStopWithoutErrors();
        });
    }

    void stopsWhenTheDetectorIsBusy()
    {
        database().addJobs(200);
        slowDownTerminations(database(), "ROW", "0.2");
        cluster().writeSettings(settings() + "MaxJobsPerRun=2\nMassHangRatio=0\n");
        for (int round = 0; round < 5; ++round) {
            stopInTime([this] {
                cluster().startController();
                cluster().waitForLog("run finished terminated=2");
                awaitWaitingFor("PgSleep");
                return requireStopWithoutErrors();
            });
        }
        CPPUNIT_ASSERT(isEachJobTerminatedAsAWholeOrNotAtAll());
    }

    void stopsIn(const ShutdownRow& row)
    {
        const std::string role = "role_in_slurmctld";
        addRole(testDatabase(), role);
        const DatabaseFault& fault = databaseFault(row.fault);
        const FaultSite site{server(), testDatabase(), role, [&] { addRole(testDatabase(), role); }};
        if (fault.isMetByTerminations)
            database().addJob();
        if (row.failures > 1)
            cluster().configure("SlurmctldDebug", "debug"); // which each failure after the first one is
        stopInTime([&] {
            std::optional<MadeFault> made;
            if (!row.isMadeAtWork)
                made.emplace(fault, site);
            // Of an option that is there twice, the last one counts.
            cluster().writeSettings("Connection=" + connectionString() +
                                    " application_name=detector_in_slurmctld user=" + role +
                                    (made ? made->connection() : "") + "\nInterval=" + row.interval + "\n");
            const auto daemon = start(row.isDaemon);
            if (row.isMadeAtWork) {
                waitUntilTerminated(database().addJob());
                made.emplace(fault, site);
            }
            const auto took = made->canHoldARun() ? requireStopOfHeldRun(fault, *made, daemon)
                                                  : requireStopAfterFailures(row, fault, *made);
            made->end();
            return took;
        });
    }

    std::optional<pid_t> start(bool isDaemon)
    {
        if (isDaemon)
            return cluster().startDaemon();
        cluster().startController();
        return std::nullopt;
    }

    std::chrono::milliseconds requireStopOfHeldRun(const DatabaseFault& fault, const MadeFault& made,
                                                   std::optional<pid_t> daemon)
    {
        CPPUNIT_ASSERT_MESSAGE(cluster().log(), eventually(20s, [&] { return made.holdsARun(); }));
        made.complete();
        return fault.isAnswered ? requireRunCanceled(daemon) : requireStopWithoutErrors(daemon);
    }

    std::chrono::milliseconds requireStopAfterFailures(const ShutdownRow& row, const DatabaseFault& fault,
                                                       MadeFault& made)
    {
        cluster().waitForLog("job_submit/hang_detector: run failed", 20s, row.failures);
        if (!row.isMadeAtWork)
            cluster().waitForLog(fault.cause);
        if (row.isOver) {
            made.end();
            cluster().waitForLog("job_submit/hang_detector: database answers again");
        }
        return requireCleanStop();
    }

    void stopsAfterThePluginWasTakenOut()
    {
        stopInTime([this] {
            cluster().configure("JobSubmitPlugins", "hang_detector");
            cluster().startController();
            waitUntilTerminated(database().addJob());
            cluster().configure("JobSubmitPlugins", "");
            cluster().reconfigure();
            CPPUNIT_ASSERT(eventually(10s, [this] { return !isDetectorConnected(); }));
            return requireStopWithoutErrors();
        });
    }

    void stopsAsADaemon()
    {
        stopInTime([this] {
            const pid_t daemon = cluster().startDaemon();
            cluster().waitForLog("job_submit/hang_detector: started");
            waitUntilTerminated(database().addJob());
            return requireStopWithoutErrors(daemon);
        });
    }

    std::chrono::milliseconds requireRunCanceled(std::optional<pid_t> daemon = std::nullopt)
    /// A stop with one statement canceled. Its session would go on otherwise, as a server does
    /// not see that its client has gone.
    {
        const std::size_t before = cancellations(server());
        const auto took = requireStopWithoutErrors(daemon);
        CPPUNIT_ASSERT(eventually(10s, [this] { return !isDetectorConnected(); }));
        CPPUNIT_ASSERT(eventually(10s, [&] { return cancellations(server()) == before + 1; }));
        return took;
    }

    bool isEachJobTerminatedAsAWholeOrNotAtAll()
    {
        return database().isTrue("SELECT count(*) = 0 FROM provisioner_jobs j WHERE type::text = $1"
                                 " AND (SELECT count(*) FROM provisioner_job_logs l WHERE l.job_id = j.id)"
                                 " <> CASE WHEN completed_at IS NULL THEN 0 ELSE 5 END",
                                 "template_version_import");
    }

    std::chrono::milliseconds requireStopWithoutErrors(std::optional<pid_t> daemon = std::nullopt)
    {
        const auto took = requireCleanStop(daemon);
        requireNoErrors();
        return took;
    }

    std::chrono::milliseconds requireCleanStop(std::optional<pid_t> daemon = std::nullopt)
    {
        const auto asked = Clock::now();
        if (daemon) {
            kill(*daemon, SIGTERM);
            CPPUNIT_ASSERT(eventually(10s, [&] { return !SlurmCluster::isAlive(*daemon); }));
        } else {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(cluster().log(), 0, cluster().stopController(10s));
        }
        const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - asked);
        requireNoCrash();
        return took;
    }

    void requireNoCrash()
    {
        const std::string log = cluster().log();
        CPPUNIT_ASSERT_MESSAGE(log, log.find("Terminate signal") != std::string::npos);
        constexpr std::array signs{"terminate called", "Segmentation", "Assertion", "corrupt",
                                   "free()",           "pure virtual", "fatal",     "core dumped"};
        for (const char* sign : signs)
            CPPUNIT_ASSERT_MESSAGE(sign + ("\n" + log), log.find(sign) == std::string::npos);
        for (const auto& file : std::filesystem::recursive_directory_iterator(cluster().directory()))
            CPPUNIT_ASSERT_MESSAGE(file.path().string(),
                                   !file.path().filename().string().starts_with("core"));
    }

    void requireNoErrors()
    {
        CPPUNIT_ASSERT_MESSAGE(cluster().log(), cluster().countInLog("error: job_submit/hang_detector") == 0);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ShutdownTest);

} // namespace HangDetection::Test
