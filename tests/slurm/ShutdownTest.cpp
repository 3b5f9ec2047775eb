// slurmctld ends cleanly, and in time, whatever the detector is doing. The two seconds of
// stopInTime are the plugin's, but slurmctld gets nothing on top of them: it takes about a
// tenth of a second by itself. The host's StopTest has the other faults.

#include "FrozenServer.h"
#include "OpenTransaction.h"
#include "ServerLog.h"
#include "SlurmFixture.h"
#include "StopInTime.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>

namespace HangDetection::Test {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class ShutdownTest : public SlurmFixture
{
    CPPUNIT_TEST_SUITE(ShutdownTest);
    CPPUNIT_TEST(stopsWhenTheDetectorIsIdle);
    CPPUNIT_TEST(stopsWhenARunIsBlocked);
    CPPUNIT_TEST(stopsWhenTheServerIsFrozen);
    CPPUNIT_TEST(stopsAfterThePluginWasTakenOut);
    CPPUNIT_TEST(stopsAsADaemonWhenARunIsBlocked);
    CPPUNIT_TEST_SUITE_END();

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

private:
    static constexpr const char* lockOnTheJobs = "LOCK TABLE provisioner_jobs IN ACCESS EXCLUSIVE MODE";

    void stopsWhenTheDetectorIsIdle()
    {
        cluster().writeSettings("Connection=" + connectionString() + "\nInterval=1h\n");
        stopInTime([this] {
            const std::string hung = database().addJob();
            cluster().startController();
            waitUntilTerminated(hung);
            return expectStop();
        });
    }

    void stopsWhenARunIsBlocked()
    /// Its session would go on otherwise, as a server does not see that its client has gone.
    {
        stopInTime([this] {
            const OpenTransaction migration(connectionString(), lockOnTheJobs);
            if (_isDaemon)
                _daemon = cluster().startDaemon();
            else
                cluster().startController();
            awaitWaitingFor("Lock");
            const std::size_t before = cancellations(server());
            const auto took = expectStop();
            await("the end of the connection", [this] { return !isDetectorConnected(); });
            await("the cancellation", [&] { return cancellations(server()) == before + 1; });
            return took;
        });
    }

    void stopsWhenTheServerIsFrozen()
    {
        stopInTime([this] {
            const OpenTransaction migration(connectionString(), lockOnTheJobs);
            cluster().startController();
            awaitWaitingFor("Lock");
            const FrozenServer frozen(server());
            return expectStop();
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
            await("the end of the connection", [this] { return !isDetectorConnected(); });
            return expectStop();
        });
    }

    void stopsAsADaemonWhenARunIsBlocked()
    {
        _isDaemon = true;
        stopsWhenARunIsBlocked();
    }

    std::chrono::milliseconds expectStop()
    /// Without an error or a crash. Returns how long it took.
    {
        const auto asked = Clock::now();
        if (_daemon) {
            kill(*_daemon, SIGTERM);
            CPPUNIT_ASSERT(eventually(10s, [&] { return !SlurmCluster::isAlive(*_daemon); }));
        } else {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(cluster().log(), 0, cluster().stopController(10s));
        }
        const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - asked);
        const std::string text = cluster().log();
        assertContains("Terminate signal", text);
        for (const char* const sign :
             {"error: job_submit/hang_detector", "terminate called", "Segmentation", "Assertion", "corrupt",
              "free()", "pure virtual", "fatal", "core dumped"})
            assertLacks(sign, text);
        for (const auto& file : std::filesystem::recursive_directory_iterator(cluster().directory()))
            CPPUNIT_ASSERT_MESSAGE(file.path().string(),
                                   !file.path().filename().string().starts_with("core"));
        return took;
    }

    bool _isDaemon = false;
    std::optional<pid_t> _daemon;
};

CPPUNIT_TEST_SUITE_REGISTRATION(ShutdownTest);

} // namespace HangDetection::Test
