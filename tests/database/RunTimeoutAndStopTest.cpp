#include "DatabaseFixture.h"
#include "OpenTransaction.h"
#include "ServerFaults.h"
#include "ServerLog.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class RunTimeoutAndStopTest : public DatabaseFixture
/// Runs that wait for a lock, and are cut short. StopTest stops them in every fault.
{
    TEST_SUITE(RunTimeoutAndStopTest);

    TEST(stopsWhenItWasAskedToBefore)
    {
        // The cancel may come before there is a statement, and is then without effect.
        connectDetector();
        OpenTransaction migration(connectionString(), lockOnTheJobs);
        requestStop();
        startRun();
        expectStopped(promptly);
        migration.rollBack();
        run();
    }

    TEST(closesNoSocketWhenACancelHelps)
    {
        const OpenTransaction migration(connectionString(), lockOnTheJobs);
        startRunThatWaits();
        expectStopped(promptly);
        CPPUNIT_ASSERT_EQUAL(_canceled + 1, cancellations(server()));
        CPPUNIT_ASSERT_EQUAL(_unheard, answersToNobody());
    }

    TEST(closesTheSocketASecondAfterACancelThatDoesNotHelp)
    /// The server reads the cancel when it is thawed, and then there is nobody to tell.
    {
        OpenTransaction migration(connectionString(), lockOnTheJobs);
        startRunThatWaits();
        {
            const FrozenServer frozen(server());
            CPPUNIT_ASSERT(expectStopped(inSilence) >= 1s);
        }
        CPPUNIT_ASSERT(eventually(patience, [this] { return answersToNobody() == _unheard + 1; }));
        CPPUNIT_ASSERT_EQUAL(_canceled + 1, cancellations(server()));
        migration.rollBack();
        run();
    }

    void startRunThatWaits()
    {
        startRun();
        awaitWaitingFor("Lock");
        _canceled = cancellations(server());
        _unheard = answersToNobody();
    }

    std::chrono::steady_clock::duration expectStopped(std::chrono::milliseconds atMost)
    /// The run that was started is asked to stop, and does so in time. The next one is not. Returns how
    /// long it took.
    {
        const auto start = std::chrono::steady_clock::now();
        requestStop();
        const RunStatistics statistics = endOfRun();
        const auto took = std::chrono::steady_clock::now() - start;
        CPPUNIT_ASSERT(statistics.stopped);
        CPPUNIT_ASSERT(!statistics.error);
        CPPUNIT_ASSERT(statistics.terminated.empty());
        CPPUNIT_ASSERT(!statistics.pause);
        CPPUNIT_ASSERT(took < atMost);
        forgetStop();
        return took;
    }

    static std::size_t answersToNobody()
    {
        return count(serverLog(server()), "could not send data to client");
    }

    static constexpr std::chrono::milliseconds promptly{4500};
    /// Two seconds are promised after a stop. The rest is for a slow machine; after five
    /// seconds a wait for a lock would end by itself.

    static constexpr std::chrono::seconds inSilence{9};
    /// The same where a second of the two is for the server's answer; after ten a connect would end.

    std::size_t _canceled = 0;
    std::size_t _unheard = 0;
    /// Cancels and answers to nobody that the server's log has from before.
};

} // namespace HangDetection::Test
