// The plugin stops in time, by fini, after which its host goes on, and by an exit() without
// fini, whatever state the database and the network are in. Each state is brought about for
// real, and the end is asked for when it is known to be reached.

#include "ChildProcess.h"
#include "Count.h"
#include "CurrentTest.h"
#include "Eventually.h"
#include "Figure.h"
#include "FrozenServer.h"
#include "FullDisk.h"
#include "HbaRule.h"
#include "HeldTerminations.h"
#include "OpenTransaction.h"
#include "Outage.h"
#include "ProcessState.h"
#include "ServerLog.h"
#include "SimulatorFixture.h"
#include "StallingProxy.h"
#include "Standby.h"
#include "StopInTime.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class StopTest : public SimulatorFixture
{
public:
    void setUp() override
    {
        SimulatorFixture::setUp();
        connectAs("postgres");
    }

    void tearDown() override
    {
        _host.reset();
        SimulatorFixture::tearDown();
    }

    CPPUNIT_TEST_SUITE(StopTest);
    CPPUNIT_TEST(stopsWhileIdle);
    CPPUNIT_TEST(stopsWhileAStatementTakesLong);
    CPPUNIT_TEST(stopsWhileATableIsLocked);
    CPPUNIT_TEST(stopsBetweenTwoRetriesWithoutAServer);
    CPPUNIT_TEST(stopsWhenTheServerWentAway);
    CPPUNIT_TEST(stopsWhenTheServerCameBack);
    CPPUNIT_TEST(stopsWhileTheServerRefusesConnections);
    CPPUNIT_TEST(stopsWhileTheServerHasNoConnectionLeft);
    CPPUNIT_TEST(stopsWhileTheServerIsAStandby);
    CPPUNIT_TEST(stopsWhenAPrivilegeWasWithdrawn);
    CPPUNIT_TEST(stopsWhileTheDiskIsFull);
    CPPUNIT_TEST(stopsWhileTheConnectIsNotAnswered);
    CPPUNIT_TEST(stopsAfterASilentLogin);
    CPPUNIT_TEST(stopsWhileAStatementIsNotAnswered);
    CPPUNIT_TEST(stopsWhileIdleAtAFrozenServer);
    CPPUNIT_TEST(stopsWhileAStatementIsFrozen);
    CPPUNIT_TEST_SUITE_END();

    void stopsWhileIdle()
    {
        connectAs("postgres", "1h");
        atBothEnds([this] {
            start();
            awaitLine(anyRun);
            return expectStop();
        });
    }

    void stopsWhileAStatementTakesLong()
    {
        database().addJob();
        const HeldTerminations held(database());
        atBothEnds([this] {
            start();
            awaitWaitingFor(HeldTerminations::waitEvent);
            return expectRunCanceled();
        });
    }

    void stopsWhileATableIsLocked()
    {
        const OpenTransaction migration(connectionString(), lockJobs);
        atBothEnds([this] {
            start();
            awaitWaitingFor("Lock");
            return expectRunCanceled();
        });
    }

    void stopsBetweenTwoRetriesWithoutAServer()
    {
        connectAs("postgres", "1h");
        atBothEnds([this] {
            const Outage outage(server());
            start();
            // The pause after that is longer than a stop may take.
            awaitLine("run failed error=\"connection to server on socket", 3);
            return expectStop();
        });
    }

    void stopsWhenTheServerWentAway()
    {
        atBothEnds([this] {
            start();
            awaitLine(anyRun);
            const Outage outage(server());
            awaitLine("run failed");
            return expectStop();
        });
    }

    void stopsWhenTheServerCameBack()
    {
        atBothEnds([this] {
            start();
            awaitLine(anyRun);
            Outage outage(server());
            awaitLine("run failed");
            outage.end();
            awaitLine("database answers again");
            return expectStop();
        });
    }

    void stopsWhileTheServerRefusesConnections()
    {
        createRole("refused_role");
        const HbaRule rule(server(), "local all refused_role reject");
        connectAs("refused_role");
        atBothEnds([this] {
            start();
            awaitLine("pg_hba.conf rejects connection");
            return expectStop();
        });
    }

    void stopsWhileTheServerHasNoConnectionLeft()
    {
        createRole("limited_role CONNECTION LIMIT 0");
        connectAs("limited_role");
        atBothEnds([this] {
            start();
            awaitLine("too many connections");
            return expectStop();
        });
    }

    void stopsWhileTheServerIsAStandby()
    {
        const Standby standby(server());
        connectAs("postgres", "1", " host=" + standby.directory().string());
        atBothEnds([this] {
            start();
            awaitLine("let Connection name the primary");
            return expectStop();
        });
    }

    void stopsWhenAPrivilegeWasWithdrawn()
    {
        createRole("poor_role");
        connectAs("poor_role");
        atBothEnds([this] {
            database().execute("GRANT SELECT ON provisioner_jobs TO poor_role");
            start();
            awaitLine(anyRun);
            database().execute("REVOKE SELECT ON provisioner_jobs FROM poor_role");
            awaitLine("permission denied");
            return expectStop();
        });
    }

    void stopsWhileTheDiskIsFull()
    {
        database().addJob();
        const FullDisk disk(connectionString());
        atBothEnds([this] {
            start();
            awaitLine("No space left on device");
            return expectStop();
        });
    }

    void stopsWhileTheConnectIsNotAnswered()
    {
        expectStopInSilence([](StallingProxy& proxy) { proxy.fallSilentAtConnection(1); });
    }

    void stopsAfterASilentLogin()
    {
        expectStopInSilence([](StallingProxy& proxy) { proxy.fallSilentAfterLogin(1); });
    }

    void stopsWhileAStatementIsNotAnswered()
    {
        expectStopInSilence([](StallingProxy& proxy) { proxy.fallSilentAfterStatement("AS until_next"); });
    }

    void stopsWhileIdleAtAFrozenServer()
    {
        connectAs("postgres", "1h");
        atBothEnds([this] {
            start();
            awaitLine(anyRun);
            const FrozenServer frozen(server());
            return expectStop();
        });
    }

    void stopsWhileAStatementIsFrozen()
    {
        const OpenTransaction migration(connectionString(), lockJobs);
        atBothEnds([this] {
            start();
            awaitWaitingFor("Lock");
            const FrozenServer frozen(server());
            return expectRunCutOff();
        });
    }

    using Stop = std::function<std::chrono::milliseconds()>;
    /// Brings about a state, stops the plugin in it, and returns how long that took.

    void atBothEnds(const Stop& stopInAState)
    {
        auto longest = 0ms;
        for (const bool withFini : {true, false}) {
            _endsWithFini = withFini;
            longest = std::max(longest, stopInTime([&] {
                                   const auto took = stopInAState();
                                   assertNoSessionStays();
                                   return took;
                               }));
        }
        figure() << CurrentTest::name() << " by fini and by exit() within " << longest.count() << " ms\n";
    }

    void expectStopInSilence(const std::function<void(StallingProxy&)>& fallSilent)
    {
        StallingProxy proxy(server().directory());
        connectAs("postgres", "1", " host=" + proxy.directory().string());
        atBothEnds([&] {
            fallSilent(proxy);
            start();
            CPPUNIT_ASSERT_MESSAGE(output(), proxy.waitUntilSilent(patience));
            const auto took = expectRunCutOff();
            proxy.endSilence();
            return took;
        });
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
        return took;
    }

    void assertNoSessionStays()
    {
        testDatabase().reconnect();
        await([this] { return !testDatabase().hasSessionOf(application); });
    }

    void connectAs(const std::string& role, const std::string& interval = "1",
                   const std::string& options = "")
    /// The last user or host of a connection string counts.
    {
        directory().write("hang_detector.conf", "Connection=" + connectionString() + " user=" + role +
                                                    " application_name=" + application + options +
                                                    "\nInterval=" + interval + "\n");
    }

    void createRole(const std::string& definition)
    {
        database().execute("CREATE ROLE " + definition + " LOGIN");
    }

    void awaitWaitingFor(const std::string& event)
    {
        await([&] { return testDatabase().isSomebodyWaitingFor(event); });
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
    static constexpr const char* lockJobs = "LOCK TABLE provisioner_jobs IN ACCESS EXCLUSIVE MODE";

    static constexpr std::chrono::seconds patience{20};

    std::optional<ChildProcess> _host;
    bool _endsWithFini = true;
};

CPPUNIT_TEST_SUITE_REGISTRATION(StopTest);

} // namespace HangDetection::Test
