// slurmctld ends cleanly, and in time, whatever the detector is doing. The two seconds of
// stopInTime are the plugin's, but slurmctld gets nothing on top of them: it takes about a
// tenth of a second by itself.

#include "ServerLog.h"
#include "SlurmFixture.h"
#include "StopInTime.h"
#include "StopUnderFault.h"
#include "TerminationFaults.h"

#include <array>
#include <csignal>

namespace HangDetection::Test {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class ShutdownTest : public SlurmFixture, private StopUnderFault
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

    TEST_SUITE(ShutdownTest);

    TEST(stopsWhenTheDetectorIsIdle)
    {
        cluster().writeSettings("Connection=" + connectionString() + "\nInterval=1h\n");
        stopInTime([this] {
            const std::string hung = database().addJob();
            cluster().startController();
            waitUntilTerminated(hung);
            return requireStopWithoutErrors();
        });
    }

    TEST(stopsWhenTheDetectorIsBusy)
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

    TEST_FOR_EACH(stopsUnderFault(), stopsUnder)(const StopRow& row)
    {
        prepare(row, server(), testDatabase());
        // The level of idle runs, and of each failure after the first one.
        cluster().configure("SlurmctldDebug", "debug");
        stopInTime([this] { return stop(); });
    }

    TEST(stopsAfterThePluginWasTakenOut)
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

    TEST(stopsAsADaemon)
    {
        stopInTime([this] {
            _daemon = cluster().startDaemon();
            cluster().waitForLog("job_submit/hang_detector: started");
            waitUntilTerminated(database().addJob());
            return requireStopWithoutErrors();
        });
    }

    TEST(stopsAsADaemonWhenARunIsBlocked)
    {
        _isDaemon = true;
        stopsUnder({.fault = "aLockOnTheJobs"});
    }

    void start(const std::string& options, const std::string& interval) override
    {
        cluster().writeSettings("Connection=" + connectionString() +
                                " application_name=detector_in_slurmctld" + options +
                                "\nInterval=" + interval + "\n");
        if (_isDaemon)
            _daemon = cluster().startDaemon();
        else
            cluster().startController();
    }

    void awaitWork() override { cluster().waitForLog("run finished"); }

    std::string log() const override { return SlurmFixture::log(); }

    void awaitLog(const std::string& text, std::size_t lines) override
    {
        cluster().waitForLog(text, 20s, lines);
    }

    std::chrono::milliseconds expectStopOfHeldRun(bool isAnswered) override
    {
        return isAnswered ? requireRunCanceled() : requireStopWithoutErrors();
    }

    std::chrono::milliseconds requireRunCanceled()
    /// A stop with one statement canceled. Its session would go on otherwise, as a server does
    /// not see that its client has gone.
    {
        const std::size_t before = cancellations(server());
        const auto took = requireStopWithoutErrors();
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

    std::chrono::milliseconds requireStopWithoutErrors()
    {
        const auto took = expectStop();
        CPPUNIT_ASSERT_EQUAL_MESSAGE(log(), std::size_t{0},
                                     cluster().countInLog("error: job_submit/hang_detector"));
        return took;
    }

    std::chrono::milliseconds expectStop() override
    {
        const auto asked = Clock::now();
        if (_daemon) {
            kill(*_daemon, SIGTERM);
            CPPUNIT_ASSERT(eventually(10s, [&] { return !SlurmCluster::isAlive(*_daemon); }));
        } else {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(log(), 0, cluster().stopController(10s));
        }
        const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - asked);
        requireNoCrash();
        return took;
    }

    void requireNoCrash()
    {
        const std::string text = log();
        CPPUNIT_ASSERT_MESSAGE(text, text.find("Terminate signal") != std::string::npos);
        constexpr std::array signs{"terminate called", "Segmentation", "Assertion", "corrupt",
                                   "free()",           "pure virtual", "fatal:",    "core dumped"};
        for (const char* sign : signs)
            CPPUNIT_ASSERT_MESSAGE(sign + ("\n" + text), text.find(sign) == std::string::npos);
        for (const auto& file : std::filesystem::recursive_directory_iterator(cluster().directory()))
            CPPUNIT_ASSERT_MESSAGE(file.path().string(),
                                   !file.path().filename().string().starts_with("core"));
    }

    bool _isDaemon = false;
    std::optional<pid_t> _daemon;
};

} // namespace HangDetection::Test
