#include "BackgroundRunFixture.h"
#include "Count.h"
#include "Eventually.h"
#include "FrozenServer.h"
#include "OpenTransaction.h"
#include "Rows.h"
#include "ServerLog.h"

#include <optional>
#include <string>
#include <vector>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class RunTimeoutAndStopTest : public BackgroundRunFixture
/// Runs that are cut short, whatever the server is doing.
{
    CPPUNIT_TEST_SUITE(RunTimeoutAndStopTest);
    CPPUNIT_TEST(endsARunAtItsTimeout);
    CPPUNIT_TEST(waitsFiveSecondsForATableAtMost);
    CPPUNIT_TEST(stopsARun);
    CPPUNIT_TEST(stopsWhenItWasAskedToBefore);
    CPPUNIT_TEST(stopsWhileAStatementIsFrozen);
    CPPUNIT_TEST(closesNoSocketWhenACancelHelps);
    CPPUNIT_TEST(closesTheSocketASecondAfterACancelThatDoesNotHelp);
    CPPUNIT_TEST(tellsNoOneToRetrySoonAfterAStop);
    CPPUNIT_TEST_SUITE_END();

    void endsARunAtItsTimeout()
    {
        useShortRunTimeout();
        inEachHold([this](const Hold&) { expectTimeout(); });
    }

    void waitsFiveSecondsForATableAtMost()
    {
        settings().runTimeout = 300s;
        const OpenTransaction migration(connectionString(), lockOn("provisioner_jobs"));
        expectError("lock timeout", "55P03", "a table stayed locked");
        const auto duration = posted().finished.back().duration;
        CPPUNIT_ASSERT(duration >= 4900ms);
        CPPUNIT_ASSERT(duration < 5s + patience);
    }

    void stopsARun()
    {
        inEachHold([this](const Hold& hold) {
            startRun();
            if (!hold.table.empty())
                awaitWaitingForLock();
            expectStopped(hold.isFrozen ? inSilence : promptly);
        });
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

    void stopsWhileAStatementIsFrozen()
    {
        OpenTransaction migration(connectionString(), lockOn("provisioner_jobs"));
        startRunThatWaits();
        FrozenServer frozen(server());
        expectStopped(inSilence);
        frozen.thaw();
        migration.rollBack();
        run();
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
        CPPUNIT_ASSERT(!endOfRun().pause);
        CPPUNIT_ASSERT(posted().finished.back().stopped);
    }

    struct Hold
    /// Of a run, which without it would terminate a job.
    {
        const char* name;
        std::string table;
        /// Locked; empty: none.
        bool isFrozen = false;
        bool isConnected = false;
        /// Before.
    };

    template <typename End>
    void inEachHold(End end)
    /// The run ends, and the next one, which nothing holds, terminates the job.
    {
        const std::vector<Hold> holds{{"the search waits for a lock", "provisioner_jobs"},
                                      {"the termination waits for a lock", "provisioner_job_logs"},
                                      {"a frozen server connects", "", true},
                                      {"a frozen server searches", "", true, true}};
        forEachRow(holds, [&](const Hold& hold) {
            forgetDetector();
            if (hold.isConnected)
                connectDetector();
            const std::string job = addHungJob();
            std::optional<OpenTransaction> migration;
            if (!hold.table.empty())
                migration.emplace(connectionString(), lockOn(hold.table));
            std::optional<FrozenServer> frozen;
            if (hold.isFrozen)
                frozen.emplace(server());
            end(hold);
            frozen.reset();
            migration.reset();
            CPPUNIT_ASSERT(!isCompleted(job));
            CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
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
