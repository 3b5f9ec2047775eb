// What a host does with a plugin besides calling it: it forks, and it loads and closes it
// again and again, while runs of the detector are blocked.

#include "Figure.h"
#include "OpenTransaction.h"
#include "ProcessState.h"
#include "ServerFaults.h"
#include "SimulatorFixture.h"
#include "TerminationFaults.h"

#include <algorithm>
#include <csignal>

namespace HangDetection::Test {

class HostWaysTest : public SimulatorFixture
{
    TEST_SUITE(HostWaysTest);

    TEST(aForkedChildEndsAtOnceAndHarmsNoRun)
    {
        const std::string job = database().addJob();
        holdTerminations(database());
        // To the address sanitizer, what the missing threads held is lost in a forked child. The
        // thread sanitizer lets each child sleep for a second.
        start({"env", "ASAN_OPTIONS=detect_leaks=0", "TSAN_OPTIONS=atexit_sleep_ms=0"});
        awaitWaitingFor("PgSleep");
        const auto session = sessionOfDetector();
        fork(1);
        awaitWaitingFor("PgSleep");
        CPPUNIT_ASSERT_EQUAL(session, sessionOfDetector());

        holdTerminationsNoMore(database());
        awaitTermination(job);
        fork(2);
        awaitTermination(database().addJob());
        CPPUNIT_ASSERT_EQUAL(session, sessionOfDetector());
        expectEnd();
    }

    TEST(isClosedAgainAndAgainWhileTheServerIsFrozen)
    /// The threads of the closed plugins are busy for a second, each. In the end the host holds what it
    /// held before.
    {
        OpenTransaction migration(connectionString(), "LOCK TABLE provisioner_jobs IN ACCESS EXCLUSIVE MODE");
        start();
        awaitWaitingFor("Lock");
        const ProcessState before = stateOf(host().id());
        {
            const FrozenServer frozen(server());
            for (std::size_t i = 1; i <= 20; ++i)
                reload();
        }
        awaitWaitingFor("Lock");
        if (!eventually(patience, [&] { return stateOf(host().id()) == before; }))
            CPPUNIT_ASSERT_EQUAL(before, stateOf(host().id()));
        migration.rollBack();
        awaitTermination(database().addJob());
        expectEnd();
    }

    void start(Sim::CommandLine command = {})
    /// The command starts the host.
    {
        command.insert(command.end(), {OBEDIENT_HOST, (directory().path() / "slurm.conf").string()});
        startHost(command);
    }

    void fork(std::size_t times)
    {
        kill(host().id(), SIGUSR1);
        await([&] { return count(log(), "forked children ended well") == times; }, patience);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(log(), times, count(log(), "\n50 of 50 forked children"));
    }

    void reload()
    {
        const std::string started = "hang_detector: started";
        const std::size_t before = count(log(), started);
        kill(host().id(), SIGUSR2);
        await([&] { return count(log(), started) == before + 1; }, patience);
    }

    void expectEnd()
    /// fini never waited: slurmctld calls it with its locks held.
    {
        kill(host().id(), SIGTERM);
        expectEndOfHost(0);

        const std::string text = log();
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

    void awaitTermination(const std::string& job)
    {
        await([&] { return isCompleted(job); }, patience);
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

    static constexpr std::chrono::seconds patience{20};
    /// 50 forked children that waited for the detector's thread would take much longer.
};

} // namespace HangDetection::Test
