// slurmctld ends as quickly and as cleanly as without the plugin, whatever the detector
// is doing.

#include "Eventually.h"
#include "FrozenServer.h"
#include "FullDisk.h"
#include "HbaRule.h"
#include "OpenTransaction.h"
#include "Outage.h"
#include "ServerLog.h"
#include "SlurmFixture.h"
#include "StallingProxy.h"
#include "Standby.h"

#include <cppunit/extensions/HelperMacros.h>

#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>

namespace HangDetection::Test {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

/// Two seconds for the detector; the rest is for slurmctld itself.
constexpr auto longestShutdown = 3s;

constexpr const char* lockJobs = "LOCK TABLE provisioner_jobs IN ACCESS EXCLUSIVE MODE";

} // namespace

class ShutdownTest : public SlurmFixture
{
    CPPUNIT_TEST_SUITE(ShutdownTest);
    CPPUNIT_TEST(stopsWhenTheDetectorIsIdle);
    CPPUNIT_TEST(stopsWhenTheDetectorIsBusy);
    CPPUNIT_TEST(stopsWhenARunIsBlocked);
    CPPUNIT_TEST(stopsWhenAStatementTakesLong);
    CPPUNIT_TEST(stopsWhenTheServerIsFrozen);
    CPPUNIT_TEST(stopsWhenTheConnectIsNotAnswered);
    CPPUNIT_TEST(stopsBetweenTwoRetriesWithoutDatabase);
    CPPUNIT_TEST(stopsWhenTheDatabaseCameBack);
    CPPUNIT_TEST(stopsWhileTheServerRefuses);
    CPPUNIT_TEST(stopsWhileNoConnectionIsLeft);
    CPPUNIT_TEST(stopsAtAStandby);
    CPPUNIT_TEST(stopsWhenAPrivilegeIsMissing);
    CPPUNIT_TEST(stopsWhileTheDiskIsFull);
    CPPUNIT_TEST(stopsAfterThePluginWasTakenOut);
    CPPUNIT_TEST(stopsAsADaemon);
    CPPUNIT_TEST(stopsAsADaemonWhenARunIsBlocked);
    CPPUNIT_TEST_SUITE_END();

    void stopsWhenTheDetectorIsIdle()
    {
        cluster().startController();
        waitUntilTerminated(database().addJob());
        requireStopWithoutErrors();
    }

    void stopsWhenTheDetectorIsBusy()
    {
        database().addJobs(200);
        makeTerminationsTake("0.2");
        cluster().writeSettings(settings() + "MaxJobsPerRun=2\nMassHangRatio=0\n");
        for (int round = 0; round < 5; ++round) {
            cluster().startController();
            cluster().waitForLog("run finished terminated=2");
            awaitWaitingFor("PgSleep");
            requireStopWithoutErrors();
        }
        CPPUNIT_ASSERT(isEachJobTerminatedAsAWholeOrNotAtAll());
    }

    void stopsWhenARunIsBlocked()
    {
        const OpenTransaction migration(connectionString(), lockJobs);
        cluster().startController();
        awaitWaitingFor("Lock");
        const std::size_t before = cancellations(server());
        requireStopWithoutErrors();
        requireCanceled(before);
    }

    void stopsWhenAStatementTakesLong()
    {
        database().addJob();
        makeTerminationsTake("60");
        cluster().startController();
        awaitWaitingFor("PgSleep");
        const std::size_t before = cancellations(server());
        requireStopWithoutErrors();
        requireCanceled(before);
    }

    void stopsWhenTheServerIsFrozen()
    {
        const OpenTransaction migration(connectionString(), lockJobs);
        cluster().startController();
        awaitWaitingFor("Lock");
        const FrozenServer frozen(server());
        requireStopWithoutErrors();
    }

    void stopsWhenTheConnectIsNotAnswered()
    {
        StallingProxy proxy(server().directory());
        cluster().writeSettings("Connection=" + connectionString() + " host=" + proxy.directory().string() +
                                "\nInterval=1\n");
        proxy.fallSilentAtConnection(1);
        cluster().startController();
        CPPUNIT_ASSERT_MESSAGE(cluster().log(), proxy.waitUntilSilent(20s));
        requireStopWithoutErrors();
    }

    void stopsBetweenTwoRetriesWithoutDatabase()
    {
        cluster().configure("SlurmctldDebug", "debug");
        const Outage outage(server());
        cluster().startController();
        cluster().waitForLog("job_submit/hang_detector: run failed", 20s, 2);
        requireCleanStop();
    }

    void stopsWhenTheDatabaseCameBack()
    {
        cluster().startController();
        waitUntilTerminated(database().addJob());
        Outage outage(server());
        cluster().waitForLog("job_submit/hang_detector: run failed");
        outage.end();
        reconnect();
        cluster().waitForLog("job_submit/hang_detector: database answers again");
        requireCleanStop();
    }

    void stopsWhileTheServerRefuses()
    {
        createRole("refused_role");
        const HbaRule rule(server(), "local all refused_role reject");
        requireCleanStopAfter("pg_hba.conf rejects connection", " user=refused_role");
    }

    void stopsWhileNoConnectionIsLeft()
    {
        createRole("limited_role CONNECTION LIMIT 0");
        requireCleanStopAfter("too many connections", " user=limited_role");
    }

    void stopsAtAStandby()
    {
        const Standby standby(server());
        requireCleanStopAfter("let Connection name the primary", " host=" + standby.directory().string());
    }

    void stopsWhenAPrivilegeIsMissing()
    {
        createRole("poor_role");
        requireCleanStopAfter("permission denied", " user=poor_role");
    }

    void stopsWhileTheDiskIsFull()
    {
        database().addJob();
        const FullDisk disk(connectionString());
        requireCleanStopAfter("No space left on device", "");
    }

    void createRole(const std::string& definition)
    {
        database().execute("CREATE ROLE " + definition + " LOGIN");
    }

    void requireCleanStopAfter(const std::string& line, const std::string& options)
    /// When the log has the line. The last user or host of a connection string counts.
    {
        cluster().writeSettings("Connection=" + connectionString() + options + "\nInterval=1\n");
        cluster().startController();
        cluster().waitForLog(line);
        requireCleanStop();
    }

    void stopsAfterThePluginWasTakenOut()
    {
        cluster().startController();
        waitUntilTerminated(database().addJob());
        cluster().configure("JobSubmitPlugins", "");
        cluster().reconfigure();
        requireStopWithoutErrors();
    }

    void stopsAsADaemon()
    {
        const std::string hung = database().addJob();
        const pid_t daemon = cluster().startDaemon();
        cluster().waitForLog("job_submit/hang_detector: started");
        waitUntilTerminated(hung);
        requireCleanStop(daemon);
        requireNoErrors();
    }

    void stopsAsADaemonWhenARunIsBlocked()
    {
        const OpenTransaction migration(connectionString(), lockJobs);
        const pid_t daemon = cluster().startDaemon();
        awaitWaitingFor("Lock");
        const std::size_t before = cancellations(server());
        requireCleanStop(daemon);
        requireNoErrors();
        requireCanceled(before);
    }

    void makeTerminationsTake(const std::string& seconds)
    {
        database().execute("CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql"
                           " AS 'BEGIN PERFORM pg_sleep(" +
                           seconds + "); RETURN NEW; END'");
        database().execute("CREATE TRIGGER take_time BEFORE UPDATE ON provisioner_jobs"
                           " FOR EACH ROW EXECUTE FUNCTION take_time()");
    }

    void awaitWaitingFor(const std::string& event)
    {
        CPPUNIT_ASSERT_MESSAGE(cluster().log(),
                               eventually(10s, [&] { return testDatabase().isSomebodyWaitingFor(event); }));
    }

    void requireCanceled(std::size_t before)
    /// One statement since then. Its session would go on otherwise, as a server does not see
    /// that its client has gone.
    {
        CPPUNIT_ASSERT(eventually(10s, [this] { return !isDetectorConnected(); }));
        CPPUNIT_ASSERT_EQUAL(before + 1, cancellations(server()));
    }

    bool isEachJobTerminatedAsAWholeOrNotAtAll()
    {
        return database().isTrue("SELECT count(*) = 0 FROM provisioner_jobs j WHERE type::text = $1"
                                 " AND (SELECT count(*) FROM provisioner_job_logs l WHERE l.job_id = j.id)"
                                 " <> CASE WHEN completed_at IS NULL THEN 0 ELSE 5 END",
                                 "template_version_import");
    }

    void requireStopWithoutErrors()
    {
        requireCleanStop();
        requireNoErrors();
    }

    void requireCleanStop()
    {
        const auto asked = Clock::now();
        CPPUNIT_ASSERT_EQUAL_MESSAGE(cluster().log(), 0, cluster().stopController(10s));
        requireNoLongerThan(longestShutdown, Clock::now() - asked);
        requireNoCrash();
    }

    void requireCleanStop(pid_t daemon)
    {
        const auto asked = Clock::now();
        kill(daemon, SIGTERM);
        CPPUNIT_ASSERT(eventually(10s, [&] { return !SlurmCluster::isAlive(daemon); }));
        requireNoLongerThan(longestShutdown, Clock::now() - asked);
        requireNoCrash();
    }

    void requireNoLongerThan(Clock::duration longest, Clock::duration took)
    {
        CPPUNIT_ASSERT_MESSAGE(
            "took " + std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()) +
                " ms\n" + cluster().log(),
            took < longest);
    }

    void requireNoCrash()
    {
        const std::string log = cluster().log();
        CPPUNIT_ASSERT_MESSAGE(log, log.find("Terminate signal (SIGINT or SIGTERM) received") !=
                                        std::string::npos);
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
