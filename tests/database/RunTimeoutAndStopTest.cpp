#include "BackgroundRunFixture.h"
#include "Count.h"
#include "Eventually.h"
#include "FrozenServer.h"
#include "OpenTransaction.h"
#include "ServerLog.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class RunTimeoutAndStopTest : public BackgroundRunFixture
/// Runs that are cut short, whatever the server is doing.
{
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
    CPPUNIT_TEST(closesNoSocketWhenACancelHelps);
    CPPUNIT_TEST(closesTheSocketASecondAfterACancelThatDoesNotHelp);
    CPPUNIT_TEST(tellsNoOneToRetrySoonAfterAStop);
    CPPUNIT_TEST_SUITE_END();

    void endsARunAtItsTimeout()
    {
        useShortRunTimeout();
        const std::string job = addHungJob();
        OpenTransaction migration(connectionString(), lockOn("provisioner_jobs"));
        expectTimeout();
        migration.rollBack();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void endsATerminationAtItsTimeout()
    {
        useShortRunTimeout();
        const std::string job = addHungJob();
        OpenTransaction migration(connectionString(), lockOn("provisioner_job_logs"));
        expectTimeout();
        CPPUNIT_ASSERT(!isCompleted(job));
        migration.rollBack();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void endsAConnectAtItsTimeout()
    {
        useShortRunTimeout();
        FrozenServer frozen(server());
        expectTimeout();
        frozen.thaw();
        run();
    }

    void endsARunOnAFrozenServerAtItsTimeout()
    {
        useShortRunTimeout();
        connectDetector();
        FrozenServer frozen(server());
        expectTimeout();
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
        expectStopped();
        migration.rollBack();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void stopsWhileTheTerminationWaits()
    {
        const std::string job = addHungJob();
        OpenTransaction migration(connectionString(), lockOn("provisioner_job_logs"));
        startRun();
        awaitWaitingForLock();
        expectStopped();
        CPPUNIT_ASSERT(!isCompleted(job));
        migration.rollBack();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void stopsWhenItWasAskedToBefore()
    {
        // The cancel may come before there is a statement, and is then without effect.
        connectDetector();
        OpenTransaction migration(connectionString(), lockOn("provisioner_jobs"));
        requestStop();
        startRun();
        expectStopped();
        migration.rollBack();
        run();
    }

    void stopsWhileAFrozenServerConnects()
    {
        FrozenServer frozen(server());
        startRun();
        expectStopped(inSilence);
        frozen.thaw();
        run();
    }

    void stopsWhileAFrozenServerSearches()
    {
        connectDetector();
        FrozenServer frozen(server());
        startRun();
        expectStopped(inSilence);
        frozen.thaw();
        run();
    }

    void stopsWhileAStatementIsFrozen()
    {
        OpenTransaction migration(connectionString(), lockOn("provisioner_jobs"));
        startRun();
        awaitWaitingForLock();
        FrozenServer frozen(server());
        expectStopped(inSilence);
        frozen.thaw();
        migration.rollBack();
        run();
    }

    void closesNoSocketWhenACancelHelps()
    {
        const OpenTransaction migration(connectionString(), lockOn("provisioner_jobs"));
        startRun();
        awaitWaitingForLock();
        const std::size_t canceled = cancellations(server());
        const std::size_t unheard = answersToNobody();
        expectStopped();
        CPPUNIT_ASSERT_EQUAL(canceled + 1, cancellations(server()));
        CPPUNIT_ASSERT_EQUAL(unheard, answersToNobody());
    }

    void closesTheSocketASecondAfterACancelThatDoesNotHelp()
    /// The server reads the cancel when it is thawed, and then there is nobody to tell.
    {
        const OpenTransaction migration(connectionString(), lockOn("provisioner_jobs"));
        startRun();
        awaitWaitingForLock();
        const std::size_t canceled = cancellations(server());
        const std::size_t unheard = answersToNobody();
        {
            const FrozenServer frozen(server());
            const auto asked = std::chrono::steady_clock::now();
            expectStopped(inSilence);
            CPPUNIT_ASSERT(std::chrono::steady_clock::now() - asked >= 1s);
        }
        CPPUNIT_ASSERT(eventually(patience, [&] { return answersToNobody() == unheard + 1; }));
        CPPUNIT_ASSERT_EQUAL(canceled + 1, cancellations(server()));
    }

    void tellsNoOneToRetrySoonAfterAStop()
    {
        const OpenTransaction migration(connectionString(), lockOn("provisioner_jobs"));
        startRun();
        awaitWaitingForLock();
        requestStop();
        CPPUNIT_ASSERT(!detector().pauseAfter(endOfRun()));
        CPPUNIT_ASSERT(posted().finished.back().stopped);
    }

    static std::size_t answersToNobody()
    {
        return count(serverLog(server()), "could not send data to client");
    }

    static std::string lockOn(const std::string& table)
    {
        return "LOCK TABLE " + table + " IN ACCESS EXCLUSIVE MODE";
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RunTimeoutAndStopTest);

} // namespace HangDetection::Test
