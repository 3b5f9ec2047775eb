// What a host does with a plugin besides calling it: it forks, and it loads and closes it
// again and again, while runs of the detector are blocked.

#include "ChildProcess.h"
#include "Count.h"
#include "Eventually.h"
#include "Figure.h"
#include "FrozenServer.h"
#include "HeldTerminations.h"
#include "OpenTransaction.h"
#include "ProcessState.h"
#include "ServerLog.h"
#include "SimulatorFixture.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <vector>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class HostWaysTest : public SimulatorFixture
{
public:
    void tearDown() override
    {
        _host.reset();
        SimulatorFixture::tearDown();
    }

    CPPUNIT_TEST_SUITE(HostWaysTest);
    CPPUNIT_TEST(aForkedChildEndsAtOnceAndHarmsNoRun);
    CPPUNIT_TEST(isClosedAgainAndAgainWhileATableIsLocked);
    CPPUNIT_TEST(isClosedAgainAndAgainWhileTheServerIsFrozen);
    CPPUNIT_TEST_SUITE_END();

    void aForkedChildEndsAtOnceAndHarmsNoRun()
    {
        const std::string job = database().addJob();
        HeldTerminations held(database());
        // To the address sanitizer, what the missing threads held is lost in a forked child. The
        // thread sanitizer lets each child sleep for a second.
        startHost({"env", "ASAN_OPTIONS=detect_leaks=0", "TSAN_OPTIONS=atexit_sleep_ms=0"});
        awaitWaitingFor(HeldTerminations::waitEvent);
        const auto session = sessionOfDetector();
        tellToFork(1);
        awaitWaitingFor(HeldTerminations::waitEvent);
        CPPUNIT_ASSERT_EQUAL(session, sessionOfDetector());

        held.end();
        awaitTermination(job);
        tellToFork(2);
        awaitTermination(database().addJob());
        CPPUNIT_ASSERT_EQUAL(session, sessionOfDetector());
        expectEnd();
    }

    void isClosedAgainAndAgainWhileATableIsLocked()
    {
        OpenTransaction migration(connectionString(), lockJobs);
        startHost();
        awaitBlockedRun();
        const ProcessState before = stateOf(_host->id());
        const std::size_t canceled = cancellations(server());
        for (int i = 0; i < reloads; ++i) {
            tellToReload();
            await([&] { return cancellations(server()) == canceled + static_cast<std::size_t>(i) + 1; });
            awaitBlockedRun();
        }
        awaitAsBefore(before);
        migration.rollBack();
        awaitTermination(database().addJob());
        expectEnd();
    }

    void isClosedAgainAndAgainWhileTheServerIsFrozen()
    /// The threads of the closed plugins are busy for a second, each.
    {
        OpenTransaction migration(connectionString(), lockJobs);
        startHost();
        awaitBlockedRun();
        const ProcessState before = stateOf(_host->id());
        {
            const FrozenServer frozen(server());
            for (int i = 0; i < reloads; ++i)
                tellToReload();
        }
        awaitBlockedRun();
        awaitAsBefore(before);
        migration.rollBack();
        awaitTermination(database().addJob());
        expectEnd();
    }

    void startHost(const Sim::CommandLine& environment = {})
    {
        Sim::CommandLine command = environment;
        command.insert(command.end(), {OBEDIENT_HOST, (directory().path() / "slurm.conf").string()});
        _host.emplace(command, directory().path() / "output");
    }

    void tellToFork(std::size_t times)
    {
        kill(_host.value().id(), SIGUSR1);
        await([&] { return count(output(), "forked children ended well") == times; });
        CPPUNIT_ASSERT_EQUAL_MESSAGE(output(), times, count(output(), "\n50 of 50 forked children"));
    }

    void tellToReload()
    {
        const std::size_t before = count(output(), started);
        kill(_host.value().id(), SIGUSR2);
        await([&] { return count(output(), started) == before + 1; });
    }

    void expectEnd()
    /// fini never waited: slurmctld calls it with its locks held.
    {
        kill(_host.value().id(), SIGTERM);
        const auto status = _host->waitUntilEnded(patience);
        CPPUNIT_ASSERT_MESSAGE(output(), status.has_value());
        CPPUNIT_ASSERT_EQUAL_MESSAGE(output(), 0, *status);

        const std::string text = output();
        const std::string unloaded = "unloaded in ";
        std::vector<int> took;
        for (auto at = text.find(unloaded); at != std::string::npos; at = text.find(unloaded, at + 1))
            took.push_back(std::stoi(text.substr(at + unloaded.size())));
        CPPUNIT_ASSERT_MESSAGE(text, !took.empty());
        std::sort(took.begin(), took.end());
        // On a busy machine one may be held up by something else.
        CPPUNIT_ASSERT_MESSAGE(text, took[(took.size() - 1) / 2] < 500);
        figure() << "fini " << took.size() << " times, within " << took.back() << " ms\n";
    }

    void awaitBlockedRun() { awaitWaitingFor("Lock"); }

    void awaitWaitingFor(const std::string& event)
    {
        await([&] { return testDatabase().isSomebodyWaitingFor(event); });
    }

    void awaitAsBefore(const ProcessState& before)
    {
        if (!eventually(patience, [&] { return stateOf(_host->id()) == before; }))
            CPPUNIT_ASSERT_EQUAL(before, stateOf(_host->id()));
    }

    void awaitTermination(const std::string& job)
    {
        await([&] {
            return database().isTrue(
                "SELECT completed_at IS NOT NULL FROM provisioner_jobs WHERE id = $1::uuid", job);
        });
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, database().logs(job).size());
    }

    std::string sessionOfDetector()
    {
        return database()
            .value("SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE datname = $1"
                   " AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
                   databaseName())
            .value_or("none");
    }

    template <typename Condition>
    void await(Condition condition)
    {
        if (!eventually(patience, condition))
            CPPUNIT_FAIL(output());
    }

    std::string output() const { return directory().read("output"); }

    static constexpr int reloads = 20;
    static constexpr const char* started = "hang_detector: started";
    static constexpr const char* lockJobs = "LOCK TABLE provisioner_jobs IN ACCESS EXCLUSIVE MODE";

    static constexpr std::chrono::seconds patience{20};
    /// 50 forked children that waited for the detector's thread would take much longer.

    std::optional<ChildProcess> _host;
};

CPPUNIT_TEST_SUITE_REGISTRATION(HostWaysTest);

} // namespace HangDetection::Test
