#include "AllocatedBytes.h"
#include "DatabaseFaults.h"
#include "DatabaseFixture.h"
#include "Figure.h"
#include "ProcessState.h"
#include "Rounds.h"
#include "notification/RunLog.h"

#include <Poco/NullChannel.h>

#include <barrier>
#include <unistd.h>

namespace HangDetection::Test {

using namespace std::chrono_literals;

namespace {

struct EnduranceRow
/// A fault, and the attempts that fail by it.
{
    std::string fault;
    std::string variant = {};
    int detectors = 1;
    /// At once; more than one when an attempt takes a second or more.
    std::string connection = {};
    /// Further options of the connection string.
    std::optional<std::chrono::seconds> runTimeout = std::nullopt;
    std::string cause = {};
    /// Where it is not that of the fault.
};

/// Detectors at once, each with a connection of its own.
constexpr int many = 50;

/// There are more of them than connections by default, as an attempt takes five seconds.
constexpr int most = 200;

const std::vector<EnduranceRow>& faultsToEndure()
{
    static const std::vector<EnduranceRow> rows{
        {.fault = "aServerThatIsDown"},
        {.fault = "aServerThatRefuses"},
        {.fault = "aRoleWithoutConnectionsLeft"},
        {.fault = "aDatabaseThatIsReadOnly"},
        {.fault = "aMissingPrivilege"},
        {.fault = "aSessionThatIsEnded"},
        {.fault = "aFullDisk"},
        {.fault = "aSilentConnect",
         .detectors = 2 * many,
         .connection = " connect_timeout=1",
         .cause = "no answer within 1s"},
        {.fault = "aLockOnTheLogs", .detectors = most},
        {.fault = "aStatementThatTakesLong",
         .detectors = many,
         .runTimeout = 1s,
         .cause = "RunTimeout of 1s has passed"},
    };
    return rows;
}

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
            attempt.pause = attempt.statistics.pause;
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
    TEST_SUITE(EnduranceTest);

    FaultSite site()
    {
        return {server(), testDatabase(), detectorRole, [this] { applyRoleScript(); }};
    }

    TEST_FOR_EACH(faultsToEndure(), keepsNothingOf)(const EnduranceRow& row)
    {
        const DatabaseFault& fault = databaseFault(row.fault);
        if (row.detectors == most)
            allowConnections(most + 20);
        if (fault.isMetByTerminations)
            addHungJob();
        const MadeFault made(fault, site());
        settings().connection =
            ConnectionString::parse(connectionString(detectorRole) + row.connection + made.parts.connection);
        settings().runTimeout = row.runTimeout.value_or(settings().runTimeout);
        const bool isOneByOne = row.detectors == 1;
        const int count = isOneByOne ? 1 : rounds(row.detectors);
        const int times = isOneByOne ? rounds(allAttempts) : allAttempts / row.detectors;
        Detectors detectors(count, settings());
        expectFlat("failed attempts, " + row.fault, count, times,
                   [&] { expectFailures(detectors.run(), row.cause.empty() ? fault.cause : row.cause); });
    }

    void allowConnections(int count)
    /// Until the next restart of the server.
    {
        database().execute("ALTER SYSTEM SET max_connections = " + std::to_string(count));
        MadeFault(databaseFault("aServerThatIsDown"), site()).now();
        database().execute("ALTER SYSTEM RESET max_connections");
    }

    TEST(keepsNothingOfAFrozenServer)
    {
        // One attempt breaks off a statement, the next one gets no connection.
        settings().runTimeout = 1s;
        Detectors detectors(rounds(many), settings());
        expectFlat("failed attempts, aFrozenServer", 2 * rounds(many), allAttempts / 2 / many, [&] {
            MadeFault frozen(databaseFault("aFrozenServer"), site());
            for (int i = 0; i < 2; ++i)
                expectFailures(detectors.run(), "RunTimeout of 1s has passed");
            frozen.now();
            CPPUNIT_ASSERT(eventually(patience, [&] { return haveSucceeded(detectors.run()); }));
        });
    }

    TEST(keepsNothingOfRunsThatSucceed)
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

    /// Bytes of each attempt. Less in all may be memory that is in use for a moment.
    static constexpr std::size_t leak = 10;
};

} // namespace HangDetection::Test
