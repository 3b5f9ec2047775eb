// slurmctld ends as quickly and as cleanly as without the plugin, whatever the detector
// is doing.

#include "Count.h"
#include "Eventually.h"
#include "SlurmFixture.h"

#include <cppunit/extensions/HelperMacros.h>

#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace HangDetection::Test {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

/// Two seconds for the detector; the rest is for slurmctld itself.
constexpr auto longestShutdown = 3s;

} // namespace

class ShutdownTest : public SlurmFixture
{
    CPPUNIT_TEST_SUITE(ShutdownTest);
    CPPUNIT_TEST(stopsWhenTheDetectorIsIdle);
    CPPUNIT_TEST(stopsWhenTheDetectorIsBusy);
    CPPUNIT_TEST(stopsWhenARunIsBlocked);
    CPPUNIT_TEST(stopsAfterThePluginWasTakenOut);
    CPPUNIT_TEST(stopsAsADaemon);
    CPPUNIT_TEST_SUITE_END();

    void stopsWhenTheDetectorIsIdle()
    {
        cluster().startController();
        waitUntilTerminated(database().addJob());
        requireCleanStop();
    }

    void stopsWhenTheDetectorIsBusy()
    {
        addManyHungJobs();
        makeTerminationsSlow();
        cluster().writeSettings(settings() + "MaxJobsPerRun=2\nMassHangRatio=0\n");
        for (int round = 0; round < 5; ++round) {
            cluster().startController();
            cluster().waitForLog("run finished terminated=2");
            CPPUNIT_ASSERT_MESSAGE(cluster().log(),
                                   eventually(10s, [this] { return isATerminationUnderWay(); }));
            requireCleanStop();
        }
        CPPUNIT_ASSERT(isEachJobTerminatedAsAWholeOrNotAtAll());
    }

    void stopsWhenARunIsBlocked()
    {
        Sim::JobDatabase migration(connectionString());
        migration.execute("BEGIN");
        migration.execute("LOCK TABLE provisioner_jobs IN ACCESS EXCLUSIVE MODE");
        cluster().startController();
        CPPUNIT_ASSERT_MESSAGE(cluster().log(), eventually(10s, [this] { return isARunBlocked(); }));
        const std::size_t before = cancellations();

        requireCleanStop();
        // Otherwise the session would go on waiting for the lock, for some seconds more, as
        // a server does not see that its client has gone.
        CPPUNIT_ASSERT(eventually(10s, [this] { return !isDetectorConnected(); }));
        CPPUNIT_ASSERT_EQUAL(before + 1, cancellations());
        migration.execute("ROLLBACK");
    }

    void stopsAfterThePluginWasTakenOut()
    {
        cluster().startController();
        waitUntilTerminated(database().addJob());
        cluster().configure("JobSubmitPlugins", "");
        cluster().reconfigure();
        requireCleanStop();
    }

    void stopsAsADaemon()
    {
        const std::string hung = database().addJob();
        const pid_t daemon = cluster().startDaemon();
        cluster().waitForLog("job_submit/hang_detector: started");
        waitUntilTerminated(hung);

        const auto asked = Clock::now();
        kill(daemon, SIGTERM);
        CPPUNIT_ASSERT(eventually(10s, [&] { return !SlurmCluster::isAlive(daemon); }));
        requireNoLongerThan(longestShutdown, Clock::now() - asked);
        requireNoCrash();
    }

    void addManyHungJobs()
    {
        database().execute(
            "INSERT INTO provisioner_jobs (id, created_at, updated_at, started_at, organization_id,"
            " initiator_id, file_id, provisioner, storage_method, type)"
            " SELECT gen_random_uuid(), now(), now() - interval '10 minutes', now(),"
            " gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'terraform', 'file',"
            " 'template_version_import' FROM generate_series(1, 200)");
    }

    void makeTerminationsSlow()
    {
        database().execute("CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql"
                           " AS 'BEGIN PERFORM pg_sleep(0.2); RETURN NEW; END'");
        database().execute("CREATE TRIGGER take_time BEFORE UPDATE ON provisioner_jobs"
                           " FOR EACH ROW EXECUTE FUNCTION take_time()");
    }

    bool isATerminationUnderWay()
    {
        return database().isTrue("SELECT EXISTS (SELECT 1 FROM pg_stat_activity"
                                 " WHERE datname = current_database() AND wait_event = $1)",
                                 "PgSleep");
    }

    bool isEachJobTerminatedAsAWholeOrNotAtAll()
    {
        return database().isTrue("SELECT count(*) = 0 FROM provisioner_jobs j WHERE type::text = $1"
                                 " AND (SELECT count(*) FROM provisioner_job_logs l WHERE l.job_id = j.id)"
                                 " <> CASE WHEN completed_at IS NULL THEN 0 ELSE 5 END",
                                 "template_version_import");
    }

    bool isARunBlocked()
    {
        return database().isTrue("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted"
                                 " AND relation = $1::regclass)",
                                 "provisioner_jobs");
    }

    static std::size_t cancellations()
    /// How many statements a client of the server has canceled.
    {
        std::ifstream log(server().directory() / "postgres.log");
        return count({std::istreambuf_iterator<char>(log), {}}, "canceling statement due to user request");
    }

    void requireCleanStop()
    {
        const auto asked = Clock::now();
        CPPUNIT_ASSERT_EQUAL_MESSAGE(cluster().log(), 0, cluster().stopController(10s));
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
        CPPUNIT_ASSERT_MESSAGE(log, cluster().countInLog("error: job_submit/hang_detector") == 0);
        for (const auto& file : std::filesystem::recursive_directory_iterator(cluster().directory()))
            CPPUNIT_ASSERT_MESSAGE(file.path().string(),
                                   !file.path().filename().string().starts_with("core"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ShutdownTest);

} // namespace HangDetection::Test
