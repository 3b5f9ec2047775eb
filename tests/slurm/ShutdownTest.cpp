// slurmctld ends cleanly, and in time, whatever the detector is doing. The two seconds of
// stopInTime are the plugin's, but slurmctld gets nothing on top of them: it takes about a
// tenth of a second by itself.

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
#include "StopInTime.h"

#include <cppunit/extensions/HelperMacros.h>

#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>

namespace HangDetection::Test {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

constexpr const char* lockJobs = "LOCK TABLE provisioner_jobs IN ACCESS EXCLUSIVE MODE";

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
        makeTerminationsTake("0.2");
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

    void stopsWhenARunIsBlocked()
    {
        stopInTime([this] {
            cluster().startController();
            const OpenTransaction migration(connectionString(), lockJobs);
            awaitWaitingFor("Lock");
            return requireRunCanceled();
        });
    }

    void stopsWhenAStatementTakesLong()
    {
        database().addJob();
        makeTerminationsTake("60");
        stopInTime([this] {
            cluster().startController();
            awaitWaitingFor("PgSleep");
            return requireRunCanceled();
        });
    }

    void stopsWhenTheServerIsFrozen()
    {
        stopInTime([this] {
            cluster().startController();
            const OpenTransaction migration(connectionString(), lockJobs);
            awaitWaitingFor("Lock");
            const FrozenServer frozen(server());
            return requireStopWithoutErrors();
        });
    }

    void stopsWhenTheConnectIsNotAnswered()
    {
        StallingProxy proxy(server().directory());
        cluster().writeSettings("Connection=" + connectionString() + " host=" + proxy.directory().string() +
                                "\nInterval=1\n");
        stopInTime([&] {
            proxy.fallSilentAtConnection(1);
            cluster().startController();
            CPPUNIT_ASSERT_MESSAGE(cluster().log(), proxy.waitUntilSilent(20s));
            const auto took = requireStopWithoutErrors();
            proxy.endSilence();
            return took;
        });
    }

    void stopsBetweenTwoRetriesWithoutDatabase()
    {
        cluster().configure("SlurmctldDebug", "debug");
        cluster().writeSettings("Connection=" + connectionString() + "\nInterval=1h\n");
        const Outage outage(server());
        stopInTime([this] {
            cluster().startController();
            // The pause after that is longer than a stop may take.
            cluster().waitForLog("job_submit/hang_detector: run failed", 20s, 3);
            return requireCleanStop();
        });
    }

    void stopsWhenTheDatabaseCameBack()
    {
        stopInTime([this] {
            cluster().startController();
            waitUntilTerminated(database().addJob());
            Outage outage(server());
            cluster().waitForLog("job_submit/hang_detector: run failed");
            outage.end();
            reconnect();
            cluster().waitForLog("job_submit/hang_detector: database answers again");
            return requireCleanStop();
        });
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
        stopInTime([&] {
            cluster().startController();
            cluster().waitForLog(line);
            return requireCleanStop();
        });
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

    void stopsAsADaemonWhenARunIsBlocked()
    {
        stopInTime([this] {
            const pid_t daemon = cluster().startDaemon();
            const OpenTransaction migration(connectionString(), lockJobs);
            awaitWaitingFor("Lock");
            return requireRunCanceled(daemon);
        });
    }

    void makeTerminationsTake(const std::string& seconds)
    {
        database().execute("CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql"
                           " AS 'BEGIN PERFORM pg_sleep(" +
                           seconds + "); RETURN NEW; END'");
        database().execute("CREATE TRIGGER take_time BEFORE UPDATE ON provisioner_jobs"
                           " FOR EACH ROW EXECUTE FUNCTION take_time()");
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
