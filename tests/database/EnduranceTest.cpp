#include "AllocatedBytes.h"
#include "DatabaseFixture.h"
#include "Eventually.h"
#include "Figure.h"
#include "HbaRule.h"
#include "Outage.h"
#include "ProcessState.h"
#include "StallingProxy.h"
#include "TerminationFaults.h"
#include "notification/RunLog.h"

#include <Poco/AutoPtr.h>
#include <Poco/Logger.h>
#include <Poco/NullChannel.h>

#include <chrono>
#include <functional>
#include <future>
#include <list>
#include <optional>
#include <string>
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
        createRole("crowded_role");
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
        expectFlatFailures("session ended in a statement", "the connection to the database was lost");
    }

    void keepsNothingOfABlackHole()
    {
        // An attempt takes a second, so many detectors try at once.
        constexpr int detectors = 20;
        constexpr int attempts = 3;
        StallingProxy proxy(server().directory());
        proxy.fallSilentAtConnection(1);
        settings().connection = ConnectionString::parse(
            connectionString(detectorRole) + " connect_timeout=1 host=" + proxy.directory().string());
        std::list<HangDetector> all;
        for (int i = 0; i < detectors; ++i)
            all.emplace_back(settings(), _notifications);
        expectFlat("failed attempts, black hole", detectors * attempts, 1, attempts, [&] {
            std::vector<std::future<RunStatistics>> running;
            for (HangDetector& one : all)
                running.push_back(std::async(std::launch::async, [&one] { return one.run({}); }));
            for (auto& run : running)
                expectFailure(run.get(), "no answer within 1s");
        });
    }

    void keepsNothingOfRunsThatSucceed()
    {
        constexpr int runs = 10000;
        int number = 0;
        std::size_t added = 0;
        std::size_t terminated = 0;
        HangDetector detector(settings(), _notifications);
        expectFlat("runs", runs, runs / 10, runs, [&] {
            ++number;
            if (number % 10 == 0) {
                if (number % 100 == 0)
                    addHungBuildWithState();
                else
                    addHungJob();
                ++added;
            }
            const RunStatistics statistics = detector.run({});
            CPPUNIT_ASSERT_MESSAGE(statistics.error ? statistics.error->cause : "", !statistics.error);
            terminated += statistics.terminated.size();
            CPPUNIT_ASSERT(!detector.pauseAfter(statistics));
        });
        CPPUNIT_ASSERT_EQUAL(added, terminated);
    }

    void expectFlatFailures(const std::string& what, const std::string& cause)
    {
        constexpr int attempts = 1000;
        HangDetector detector(settings(), _notifications);
        expectFlat("failed attempts, " + what, attempts, attempts / 10, attempts, [&] {
            const RunStatistics statistics = detector.run({});
            expectFailure(statistics, cause);
            const auto pause = detector.pauseAfter(statistics);
            CPPUNIT_ASSERT(!pause || (*pause > 0ms && *pause <= settings().interval));
        });
    }

    static void expectFailure(const RunStatistics& statistics, const std::string& cause)
    {
        CPPUNIT_ASSERT(statistics.error);
        CPPUNIT_ASSERT_MESSAGE(statistics.error->cause,
                               statistics.error->cause.find(cause) != std::string::npos);
    }

    static void expectFlat(const std::string& what, int count, int warmUp, int times,
                           const std::function<void()>& action)
    /// An action that is done so many times, and that uses no more at the end than it did after a warm-up.
    {
        for (int i = 0; i < warmUp; ++i)
            action();
        const ProcessState before = stateOf(getpid());
        const std::size_t bytesBefore = allocatedBytes();
        for (int i = warmUp; i < times; ++i)
            action();
        // A thread that was joined may be listed for a moment longer.
        eventually(patience, [&] { return stateOf(getpid()) == before; });
        const ProcessState after = stateOf(getpid());
        const std::size_t bytesAfter = allocatedBytes();
        figure() << count << ' ' << what << ": " << before << ", " << bytesBefore
                 << " bytes after a warm-up, " << after << ", " << bytesAfter << " bytes at the end\n";
        CPPUNIT_ASSERT_EQUAL(before, after);
        CPPUNIT_ASSERT(bytesAfter < bytesBefore + fluctuation);
    }

    void addHungBuildWithState()
    {
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        addHungBuild(workspace, 2);
    }

    /// Of memory that is in use for a moment. A leak of a hundred bytes in each attempt is more.
    static constexpr std::size_t fluctuation = 65536;

    Poco::NotificationCenter _notifications;
    RunLog _runLog{_notifications, silentLogger()};
};

CPPUNIT_TEST_SUITE_REGISTRATION(EnduranceTest);

} // namespace HangDetection::Test
