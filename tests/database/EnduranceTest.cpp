#include "AllocatedBytes.h"
#include "DatabaseFixture.h"
#include "Eventually.h"
#include "Figure.h"
#include "FrozenServer.h"
#include "FullDisk.h"
#include "HbaRule.h"
#include "OpenTransaction.h"
#include "Outage.h"
#include "ProcessState.h"
#include "Rounds.h"
#include "StallingProxy.h"
#include "TerminationFaults.h"
#include "notification/RunLog.h"

#include <Poco/AutoPtr.h>
#include <Poco/Logger.h>
#include <Poco/NullChannel.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace HangDetection::Test {

using namespace std::chrono_literals;

namespace {

Poco::Logger& silentLogger()
/// Writes every line, and keeps none.
{
    Poco::Logger& logger = Poco::Logger::get("EnduranceTest");
    logger.setChannel(Poco::AutoPtr<Poco::NullChannel>(new Poco::NullChannel));
    logger.setLevel(Poco::Message::PRIO_TRACE);
    return logger;
}

struct Attempt
/// One run, and how soon it is to be tried again.
{
    RunStatistics statistics;
    std::optional<std::chrono::milliseconds> pause;
};

struct Usage
/// What the process holds.
{
    ProcessState state;
    std::size_t bytes = 0;
};

std::ostream& operator<<(std::ostream& stream, const Usage& usage)
{
    return stream << usage.state << ", " << usage.bytes << " bytes";
}

class Detectors
/// So many detectors, each in a thread of its own that is kept, as in the plugin.
{
public:
    Detectors(int count, const Settings& settings)
        : _attempts(static_cast<std::size_t>(count)), _begin(count + 1), _end(count + 1)
    {
        for (Attempt& attempt : _attempts)
            _threads.emplace_back([this, settings, &attempt] { detect(settings, attempt); });
    }

    ~Detectors()
    {
        _isOver = true;
        _begin.arrive_and_wait();
        for (std::thread& thread : _threads)
            thread.join();
    }

    Detectors(const Detectors&) = delete;
    Detectors& operator=(const Detectors&) = delete;

    const std::vector<Attempt>& run()
    /// One run of each, all at the same time.
    {
        _begin.arrive_and_wait();
        _end.arrive_and_wait();
        return _attempts;
    }

private:
    void detect(const Settings& settings, Attempt& attempt)
    {
        Poco::NotificationCenter notifications;
        const RunLog log(notifications, _logger);
        HangDetector detector(settings, notifications, nullptr, std::chrono::milliseconds(0));
        while (true) {
            _begin.arrive_and_wait();
            if (_isOver)
                return;
            detector.use(settings); // it looks twice in each run
            attempt.statistics = detector.run({});
            attempt.pause = detector.pauseAfter(attempt.statistics);
            _end.arrive_and_wait();
        }
    }

    Poco::Logger& _logger = silentLogger();
    std::vector<Attempt> _attempts;
    std::barrier<> _begin;
    std::barrier<> _end;
    bool _isOver = false;
    /// What the threads share is written by one side only, while the other waits.
    std::vector<std::thread> _threads;
};

} // namespace

class EnduranceTest : public DatabaseFixture
/// A detector in use for a long time, with and without a database: nothing that it uses
/// grows in number.
{
    CPPUNIT_TEST_SUITE(EnduranceTest);
    CPPUNIT_TEST(keepsNothingOfAServerThatIsDown);
    CPPUNIT_TEST(keepsNothingOfAServerThatRefuses);
    CPPUNIT_TEST(keepsNothingOfAServerWithoutConnectionsLeft);
    CPPUNIT_TEST(keepsNothingOfAServerThatIsReadOnly);
    CPPUNIT_TEST(keepsNothingOfAMissingPrivilege);
    CPPUNIT_TEST(keepsNothingOfSessionsThatAreEnded);
    CPPUNIT_TEST(keepsNothingOfABlackHole);
    CPPUNIT_TEST(keepsNothingOfAFrozenServer);
    CPPUNIT_TEST(keepsNothingOfAFullDisk);
    CPPUNIT_TEST(keepsNothingOfALockedTable);
    CPPUNIT_TEST(keepsNothingOfAStatementThatTakesTooLong);
    CPPUNIT_TEST(keepsNothingOfRunsThatSucceed);
    CPPUNIT_TEST_SUITE_END();

    void keepsNothingOfAServerThatIsDown()
    {
        const Outage outage(server());
        expectFlatFailures("server down", "connection to server on socket");
    }

    void keepsNothingOfAServerThatRefuses()
    {
        const HbaRule rule(server(), std::string("local all ") + detectorRole + " reject");
        expectFlatFailures("refused by pg_hba.conf", "pg_hba.conf rejects connection");
    }

    void keepsNothingOfAServerWithoutConnectionsLeft()
    {
        applyRoleScript("crowded_role");
        database().execute("ALTER ROLE crowded_role CONNECTION LIMIT 0");
        settings().connection = ConnectionString::parse(connectionString("crowded_role"));
        expectFlatFailures("no connections left", "too many connections for role");
    }

    void keepsNothingOfAServerThatIsReadOnly()
    {
        database().execute("ALTER DATABASE " + databaseName() + " SET default_transaction_read_only = on");
        expectFlatFailures("read-only", "session is read-only");
    }

    void keepsNothingOfAMissingPrivilege()
    {
        addHungJob();
        database().execute("REVOKE INSERT (stage) ON provisioner_job_logs FROM hang_detector");
        expectFlatFailures("privilege withdrawn", "permission denied for table provisioner_job_logs");
    }

    void keepsNothingOfSessionsThatAreEnded()
    {
        addHungJob();
        endSessionsThatTerminate(database());
        expectFlatFailures("session ended in a statement",
                           "terminating connection due to administrator command");
    }

    void keepsNothingOfABlackHole()
    {
        StallingProxy proxy(server().directory());
        proxy.fallSilentAtConnection(1);
        settings().connection = ConnectionString::parse(
            connectionString(detectorRole) + " connect_timeout=1 host=" + proxy.directory().string());
        expectFlatFailuresAtOnce("black hole", "no answer within 1s", 2 * many);
    }

    void keepsNothingOfAFrozenServer()
    {
        // One attempt breaks off a statement, the next one gets no connection.
        settings().runTimeout = 1s;
        Detectors detectors(rounds(many), settings());
        expectFlat("failed attempts, frozen server", 2 * rounds(many), allAttempts / 2 / many, [&] {
            FrozenServer frozen(server());
            for (int i = 0; i < 2; ++i)
                expectFailures(detectors.run(), "RunTimeout of 1s has passed");
            frozen.thaw();
            CPPUNIT_ASSERT(eventually(patience, [&] { return haveSucceeded(detectors.run()); }));
        });
    }

    void keepsNothingOfAFullDisk()
    {
        addHungJob();
        const FullDisk disk(connectionString());
        expectFlatFailures("full disk", "No space left on device");
    }

    void keepsNothingOfALockedTable()
    {
        // An attempt takes five seconds, so there are more detectors than connections by default.
        constexpr int most = 200;
        database().execute("ALTER SYSTEM SET max_connections = " + std::to_string(most + 20));
        Outage(server()).end();
        reconnect();
        database().execute("ALTER SYSTEM RESET max_connections"); // with the next restart
        addHungJob();
        const OpenTransaction migration(connectionString(),
                                        "LOCK TABLE provisioner_job_logs IN ACCESS EXCLUSIVE MODE");
        expectFlatFailuresAtOnce("locked table", "canceling statement due to lock timeout", most);
    }

    void keepsNothingOfAStatementThatTakesTooLong()
    {
        // Not for each row, as only one of the detectors gets that of the job.
        addHungJob();
        database().execute("CREATE FUNCTION slow_down() RETURNS trigger LANGUAGE plpgsql AS"
                           " 'BEGIN PERFORM pg_sleep(600); RETURN NULL; END'");
        database().execute("CREATE TRIGGER slow_down BEFORE UPDATE ON provisioner_jobs FOR EACH STATEMENT"
                           " EXECUTE FUNCTION slow_down()");
        settings().runTimeout = 1s;
        expectFlatFailuresAtOnce("statement cut off", "RunTimeout of 1s has passed", many);
    }

    void keepsNothingOfRunsThatSucceed()
    {
        constexpr int runs = 10000;
        int number = 0;
        std::size_t added = 0;
        std::size_t terminated = 0;
        Detectors detectors(1, settings());
        expectFlat("runs", 1, runs, [&] {
            ++number;
            if (number % 10 == 0) {
                if (number % 100 == 0)
                    addHungBuildWithState();
                else
                    addHungJob();
                ++added;
            }
            const auto& [statistics, pause] = detectors.run().front();
            CPPUNIT_ASSERT_MESSAGE(statistics.error ? statistics.error->cause : "", !statistics.error);
            terminated += statistics.terminated.size();
            CPPUNIT_ASSERT(!pause);
        });
        CPPUNIT_ASSERT_EQUAL(added, terminated);
    }

    void expectFlatFailures(const std::string& what, const std::string& cause)
    /// Of one detector, again and again.
    {
        expectFlatFailures(what, cause, 1, rounds(allAttempts));
    }

    void expectFlatFailuresAtOnce(const std::string& what, const std::string& cause, int most)
    /// Of so many detectors at once, as an attempt takes a second or more.
    {
        expectFlatFailures(what, cause, rounds(most), allAttempts / most);
    }

    void expectFlatFailures(const std::string& what, const std::string& cause, int count, int times)
    {
        Detectors detectors(count, settings());
        expectFlat("failed attempts, " + what, count, times, [&] { expectFailures(detectors.run(), cause); });
    }

    void expectFailures(const std::vector<Attempt>& attempts, const std::string& cause)
    {
        for (const auto& [statistics, pause] : attempts) {
            CPPUNIT_ASSERT_MESSAGE("the run did not fail", statistics.error);
            CPPUNIT_ASSERT_MESSAGE(statistics.error->cause,
                                   statistics.error->cause.find(cause) != std::string::npos);
            CPPUNIT_ASSERT(!pause || (*pause > 0ms && *pause <= settings().interval));
        }
    }

    static bool haveSucceeded(const std::vector<Attempt>& attempts)
    {
        return std::none_of(attempts.begin(), attempts.end(),
                            [](const Attempt& attempt) { return attempt.statistics.error; });
    }

    static void expectFlat(const std::string& what, int each, int times, const std::function<void()>& action)
    /// An action that tries something so often each time, and that uses no more at the end than it
    /// did after a warm-up. On a machine that stalls it may go a way that it did not go before, and
    /// remember something; a leak grows each time that this is measured.
    {
        const std::size_t threads = stateOf(getpid()).threads;
        const auto attempts = static_cast<std::size_t>(each * times);
        const auto act = [&action](int count) {
            for (int i = 0; i < count; ++i)
                action();
        };
        act(std::max(1, times / 10));
        Usage before = settledUsage(threads);
        bool isFlat = false;
        for (int measured = 0; measured < 3 && !isFlat; ++measured) {
            act(times);
            const Usage after = settledUsage(threads);
            figure() << attempts << ' ' << what << ": " << before << " after a warm-up, " << after
                     << " at the end\n";
            isFlat = after.state == before.state && after.bytes < before.bytes + leak * attempts;
            before = after;
        }
        CPPUNIT_ASSERT_MESSAGE(
            "something was kept, unless this was run without the environment that ctest gives it", isFlat);
    }

    static Usage settledUsage(std::size_t threads)
    /// When no more threads are left than that. One that nobody waits for, as for the answer to a
    /// cancel, may take a moment longer.
    {
        eventually(patience, [&] { return stateOf(getpid()).threads <= threads; });
        return {stateOf(getpid()), allocatedBytes()};
    }

    void addHungBuildWithState()
    {
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        addHungBuild(workspace, 2);
    }

    static constexpr int allAttempts = 1000;

    /// Detectors at once, each with a connection of its own.
    static constexpr int many = 50;

    /// Bytes of each attempt. Less in all may be memory that is in use for a moment.
    static constexpr std::size_t leak = 10;
};

CPPUNIT_TEST_SUITE_REGISTRATION(EnduranceTest);

} // namespace HangDetection::Test
