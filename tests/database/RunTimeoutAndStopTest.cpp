#include "Command.h"
#include "DatabaseFixture.h"
#include "OpenTransaction.h"

#include <fstream>
#include <future>
#include <stop_token>

namespace HangDetection::Test {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

class FrozenServer
/// A server whose processes are all stopped: it accepts connections, as the kernel does
/// that for it, and answers nothing.
{
public:
    explicit FrozenServer(const Sim::ThrowawayPostgres& server) : _postmaster(postmasterOf(server))
    {
        try {
            signalTo("-STOP");
        } catch (...) {
            thaw();
            throw;
        }
    }

    ~FrozenServer() { thaw(); }

    FrozenServer(const FrozenServer&) = delete;
    FrozenServer& operator=(const FrozenServer&) = delete;

    void thaw()
    {
        try {
            signalTo("-CONT");
        } catch (...) { // NOLINT(bugprone-empty-catch): without kill and pkill nothing was stopped either
        }
    }

private:
    static std::string postmasterOf(const Sim::ThrowawayPostgres& server)
    {
        std::string pid;
        std::ifstream(server.directory() / "data/postmaster.pid") >> pid;
        CPPUNIT_ASSERT(!pid.empty());
        return pid;
    }

    void signalTo(const std::string& signal) const
    {
        // The postmaster first, so that none of the others is a new one.
        Sim::mustRun({"kill", signal, _postmaster});
        Sim::mustRun({"pkill", signal, "--parent", _postmaster});
    }

    const std::string _postmaster;
};

} // namespace

class RunTimeoutAndStopTest : public DatabaseFixture
/// Runs that are cut short, whatever the server is doing.
{
public:
    void tearDown() override
    {
        // By now whatever held the run has been released.
        _running = {};
        DatabaseFixture::tearDown();
    }

    CPPUNIT_TEST_SUITE(RunTimeoutAndStopTest);
    CPPUNIT_TEST(endsARunAtItsTimeout);
    CPPUNIT_TEST(endsATerminationAtItsTimeout);
    CPPUNIT_TEST(endsAConnectAtItsTimeout);
    CPPUNIT_TEST(endsARunOnAFrozenServerAtItsTimeout);
    CPPUNIT_TEST(waitsFiveSecondsForATableAtMost);
    CPPUNIT_TEST(stopsWhileTheSearchWaits);
    CPPUNIT_TEST(stopsWhileTheTerminationWaits);
    CPPUNIT_TEST(stopsWhenItWasAskedToBefore);
    CPPUNIT_TEST(stopsWhileAFrozenServerConnects);
    CPPUNIT_TEST(stopsWhileAFrozenServerSearches);
    CPPUNIT_TEST(stopsWhileAStatementIsFrozen);
    CPPUNIT_TEST(tellsNoOneToRetrySoonAfterAStop);
    CPPUNIT_TEST_SUITE_END();

    void endsARunAtItsTimeout()
    {
        settings().runTimeout = 1s;
        const std::string job = addHungJob();
        OpenTransaction migration(connectionString(), lockOn("provisioner_jobs"));
        expectTimeout(3500ms);
        migration.rollBack();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void endsATerminationAtItsTimeout()
    {
        settings().runTimeout = 1s;
        const std::string job = addHungJob();
        OpenTransaction migration(connectionString(), lockOn("provisioner_job_logs"));
        expectTimeout(3500ms);
        CPPUNIT_ASSERT(!isCompleted(job));
        migration.rollBack();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void endsAConnectAtItsTimeout()
    {
        settings().runTimeout = 1s;
        FrozenServer frozen(server());
        expectTimeout(3500ms);
        frozen.thaw();
        run();
    }

    void endsARunOnAFrozenServerAtItsTimeout()
    {
        settings().runTimeout = 1s;
        connectDetector();
        FrozenServer frozen(server());
        expectTimeout(3500ms);
        frozen.thaw();
        run();
    }

    void waitsFiveSecondsForATableAtMost()
    {
        settings().runTimeout = 300s;
        const OpenTransaction migration(connectionString(), lockOn("provisioner_jobs"));
        const RunStatistics statistics = tryRun();
        CPPUNIT_ASSERT(statistics.error);
        CPPUNIT_ASSERT_EQUAL(std::string("55P03"), statistics.error->sqlState);
        CPPUNIT_ASSERT(statistics.error->advice.find("a table was locked") != std::string::npos);
        CPPUNIT_ASSERT(statistics.duration >= 4900ms);
        CPPUNIT_ASSERT(statistics.duration < 5s + patience);
    }

    void stopsWhileTheSearchWaits()
    {
        const std::string job = addHungJob();
        OpenTransaction migration(connectionString(), lockOn("provisioner_jobs"));
        startRun();
        awaitWaitingForLock();
        expectStopped(2s);
        migration.rollBack();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void stopsWhileTheTerminationWaits()
    {
        const std::string job = addHungJob();
        OpenTransaction migration(connectionString(), lockOn("provisioner_job_logs"));
        startRun();
        awaitWaitingForLock();
        expectStopped(2s);
        CPPUNIT_ASSERT(!isCompleted(job));
        migration.rollBack();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void stopsWhenItWasAskedToBefore()
    {
        // The cancel may come before there is a statement, and is then without effect.
        connectDetector();
        OpenTransaction migration(connectionString(), lockOn("provisioner_jobs"));
        _stop.request_stop();
        startRun();
        expectStopped(2s);
        migration.rollBack();
        run();
    }

    void stopsWhileAFrozenServerConnects()
    {
        FrozenServer frozen(server());
        startRun();
        expectStopped(2500ms);
        frozen.thaw();
        run();
    }

    void stopsWhileAFrozenServerSearches()
    {
        connectDetector();
        FrozenServer frozen(server());
        startRun();
        expectStopped(2500ms);
        frozen.thaw();
        run();
    }

    void stopsWhileAStatementIsFrozen()
    {
        OpenTransaction migration(connectionString(), lockOn("provisioner_jobs"));
        startRun();
        awaitWaitingForLock();
        FrozenServer frozen(server());
        expectStopped(2500ms);
        frozen.thaw();
        migration.rollBack();
        run();
    }

    void tellsNoOneToRetrySoonAfterAStop()
    {
        const OpenTransaction migration(connectionString(), lockOn("provisioner_jobs"));
        startRun();
        awaitWaitingForLock();
        _stop.request_stop();
        CPPUNIT_ASSERT(!detector().pauseAfter(endOfRun()));
        CPPUNIT_ASSERT(posted().finished.back().stopped);
    }

    static std::string lockOn(const std::string& table)
    {
        return "LOCK TABLE " + table + " IN ACCESS EXCLUSIVE MODE";
    }

    void startRun()
    {
        _running = std::async(std::launch::async, [this] { return tryRun(_stop.get_token()); });
    }

    RunStatistics endOfRun()
    /// Does not wait for ever, so that a run that nothing ends fails its test.
    {
        CPPUNIT_ASSERT_MESSAGE("the run did not end",
                               _running.wait_for(patience) == std::future_status::ready);
        return _running.get();
    }

    void expectTimeout(std::chrono::milliseconds atMost)
    {
        const auto start = Clock::now();
        startRun();
        const RunStatistics statistics = endOfRun();
        const auto took = Clock::now() - start;
        CPPUNIT_ASSERT(statistics.error);
        CPPUNIT_ASSERT_EQUAL(std::string("RunTimeout of 1s has passed"), statistics.error->cause);
        CPPUNIT_ASSERT(statistics.error->advice.find("raise RunTimeout") != std::string::npos);
        CPPUNIT_ASSERT(!statistics.stopped);
        CPPUNIT_ASSERT(took >= 1s);
        CPPUNIT_ASSERT(took < atMost);
    }

    void expectStopped(std::chrono::milliseconds atMost)
    {
        const auto start = Clock::now();
        _stop.request_stop();
        const RunStatistics statistics = endOfRun();
        const auto took = Clock::now() - start;
        CPPUNIT_ASSERT(statistics.stopped);
        CPPUNIT_ASSERT(!statistics.error);
        CPPUNIT_ASSERT(statistics.terminated.empty());
        CPPUNIT_ASSERT(took < atMost);
    }

    std::future<RunStatistics> _running;
    std::stop_source _stop;
};

CPPUNIT_TEST_SUITE_REGISTRATION(RunTimeoutAndStopTest);

} // namespace HangDetection::Test
