// Two controllers of one cluster, each with the plugin on the same job database: the second
// one stands by as far as Slurm is concerned, but its detector is as busy as the first.

#include "Count.h"
#include "Figure.h"
#include "OpenTransaction.h"
#include "RememberedJobs.h"
#include "ServerLog.h"
#include "SlurmFixture.h"
#include "StopInTime.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

namespace HangDetection::Test {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class StandbyControllerTest : public SlurmFixture
{
public:
    void setUp() override
    {
        SlurmFixture::setUp();
        const std::string text = settings() + "MaxJobsPerRun=5\nMassHangRatio=0\n";
        cluster().writeSettings(text);
        cluster().addStandby(text);
        cluster().startController();
        cluster().startStandby();
    }

    CPPUNIT_TEST_SUITE(StandbyControllerTest);
    CPPUNIT_TEST(eachJobIsTerminatedOnceByTheTwoOfThem);
    CPPUNIT_TEST(theStandbyStopsInTime);
    CPPUNIT_TEST(theStandbyGoesOnWhenTheFirstIsKilled);
    CPPUNIT_TEST_SUITE_END();

    void eachJobIsTerminatedOnceByTheTwoOfThem()
    /// Both choose more than half of the jobs, and start to terminate them at the same time.
    {
        constexpr int rounds = 5;
        constexpr int jobsOfARound = 8;
        constexpr std::size_t jobs = rounds * jobsOfARound;
        RememberedJobs remembered(connectionString());
        for (int round = 0; round < rounds; ++round) {
            OpenTransaction hold(connectionString(), "LOCK TABLE provisioner_job_logs IN SHARE MODE");
            // All at the same time, so that both find them.
            remembered.session().execute("BEGIN");
            remembered.session().addJobs(jobsOfARound);
            remembered.remember();
            remembered.session().execute("COMMIT");
            awaitBlockedRuns("provisioner_job_logs");
            hold.rollBack();
            await("the terminations", [this] {
                return database().value("SELECT count(*) FROM provisioner_jobs WHERE completed_at IS NULL") ==
                       "0";
            });
        }
        // The last ones are logged a little later than they are terminated.
        await("all terminations", [&] { return terminations() == jobs; });
        const auto ids = remembered.terminatedCompletely();
        CPPUNIT_ASSERT_EQUAL(jobs, ids.size());
        for (const std::string& id : ids)
            CPPUNIT_ASSERT_EQUAL_MESSAGE(id, std::size_t{1}, terminations(id));
        const std::size_t byStandby = count(cluster().standbyLog(), terminated);
        CPPUNIT_ASSERT_MESSAGE(std::to_string(byStandby), byStandby > 0 && byStandby < jobs);
        figure() << jobs << " jobs terminated once, " << byStandby << " of them by a standby controller\n";
    }

    void theStandbyStopsInTime()
    {
        bool isRunning = true;
        stopInTime([&] {
            if (!std::exchange(isRunning, false))
                cluster().startStandby();
            const OpenTransaction migration(connectionString(),
                                            "LOCK TABLE provisioner_jobs IN ACCESS EXCLUSIVE MODE");
            awaitBlockedRuns("provisioner_jobs");
            const std::size_t before = cancellations(server());
            const auto asked = Clock::now();
            CPPUNIT_ASSERT_EQUAL_MESSAGE(cluster().standbyLog(), 0, cluster().stopStandby(10s));
            const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - asked);
            await("the cancellation", [&] { return cancellations(server()) == before + 1; });
            return took;
        });
        CPPUNIT_ASSERT(cluster().controllerAnswers());
        waitUntilTerminated(database().addJob());
    }

    void theStandbyGoesOnWhenTheFirstIsKilled()
    {
        cluster().killController();
        waitUntilTerminated(database().addJob());
        cluster().run({"scontrol", "takeover"});
        await("the takeover",
              [this] { return contains("Running as primary controller", cluster().standbyLog()); });
        CPPUNIT_ASSERT(!cluster().submit("true").empty());
        waitUntilTerminated(database().addJob());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(cluster().standbyLog(), "hang_detector: started"));
        assertLacks("error: job_submit/hang_detector", cluster().standbyLog());

        const auto asked = Clock::now();
        CPPUNIT_ASSERT_EQUAL_MESSAGE(cluster().standbyLog(), 0, cluster().stopStandby(10s));
        CPPUNIT_ASSERT_MESSAGE(cluster().standbyLog(),
                               Clock::now() - asked < longestShutdown + shutdownOfATakenOver);
    }

    std::size_t terminations(const std::string& job = "")
    {
        return cluster().countInLog(terminated + job) + count(cluster().standbyLog(), terminated + job);
    }

    void awaitBlockedRuns(const std::string& table)
    /// Of both controllers, as the table is locked.
    {
        await("two blocked runs", [&] {
            return database().isTrue(
                "SELECT count(*) = 2 FROM pg_locks WHERE NOT granted AND relation = $1::regclass", table);
        });
    }

    const std::string terminated = "job_submit/hang_detector: job terminated job_id=";

    static constexpr auto longestShutdown = 3s;
    static constexpr auto shutdownOfATakenOver = 6s;
};

CPPUNIT_TEST_SUITE_REGISTRATION(StandbyControllerTest);

} // namespace HangDetection::Test
