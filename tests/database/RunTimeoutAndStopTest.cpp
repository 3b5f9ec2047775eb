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
    CPPUNIT_TEST(endsASearchAtItsTimeout);
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

    void endsASearchAtItsTimeout()
    {
        useShortRunTimeout();
        whileLocked("provisioner_jobs", [this] { expectTimeout(); });
    }

    void endsATerminationAtItsTimeout()
    {
        useShortRunTimeout();
        whileLocked("provisioner_job_logs", [this] { expectTimeout(); });
    }

    void endsAConnectAtItsTimeout()
    {
        useShortRunTimeout();
        whileFrozen([this] { expectTimeout(); });
    }

    void endsARunOnAFrozenServerAtItsTimeout()
    {
        useShortRunTimeout();
        connectDetector();
        whileFrozen([this] { expectTimeout(); });
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

    void stopsWhileTheSearchWaits() { stopWhileLocked("provisioner_jobs"); }

    void stopsWhileTheTerminationWaits() { stopWhileLocked("provisioner_job_logs"); }

    void stopsWhenItWasAskedToBefore()
    {
        // The cancel may come before there is a statement, and is then without effect.
        connectDetector();
        whileLocked("provisioner_jobs", [this] {
            requestStop();
            startRun();
            expectStopped();
        });
    }

    void stopsWhileAFrozenServerConnects() { stopWhileFrozen(); }

    void stopsWhileAFrozenServerSearches()
    {
        connectDetector();
        stopWhileFrozen();
    }

    void stopsWhileAStatementIsFrozen()
    {
        whileLocked("provisioner_jobs", [this] {
            startRunThatWaits();
            const FrozenServer frozen(server());
            expectStopped(inSilence);
        });
    }

    void closesNoSocketWhenACancelHelps()
    {
        const OpenTransaction migration(connectionString(), lockOn("provisioner_jobs"));
        startRunThatWaits();
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
        startRunThatWaits();
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
        startRunThatWaits();
        requestStop();
        CPPUNIT_ASSERT(!detector().pauseAfter(endOfRun()));
        CPPUNIT_ASSERT(posted().finished.back().stopped);
    }

    template <typename Action>
    void whileLocked(const std::string& table, Action action)
    /// The action ends a run that waits for the table. The next run terminates the job.
    {
        const std::string job = addHungJob();
        OpenTransaction migration(connectionString(), lockOn(table));
        action();
        migration.rollBack();
        CPPUNIT_ASSERT(!isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    template <typename Action>
    void whileFrozen(Action action)
    /// The next run succeeds.
    {
        FrozenServer frozen(server());
        action();
        frozen.thaw();
        run();
    }

    void stopWhileLocked(const std::string& table)
    {
        whileLocked(table, [this] {
            startRunThatWaits();
            expectStopped();
        });
    }

    void stopWhileFrozen()
    {
        whileFrozen([this] {
            startRun();
            expectStopped(inSilence);
        });
    }

    void startRunThatWaits()
    {
        startRun();
        awaitWaitingForLock();
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
