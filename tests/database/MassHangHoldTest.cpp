#include "DatabaseFixture.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class MassHangHoldTest : public DatabaseFixture
/// So many jobs are silent at once that something upstream of them is probably down.
{
    TEST_SUITE(MassHangHoldTest);

    TEST(holdsAboveBothLimits)
    {
        connectDetector();
        database().addJobs(21);
        database().addJobs(17, {.updatedAgo = "1 minute"}); // 55.3 percent are hung
        // Neither finished nor waiting jobs count.
        database().addJobs(30, {.completedAgo = "1 hour"});
        database().addJobs(30, {.startedAgo = std::nullopt});
        const auto before = everyJob();
        expectHeld();
        const auto pause = expectHeld().pause;
        CPPUNIT_ASSERT_MESSAGE("the next run comes when the hold is over",
                               pause && *pause <= 300s && *pause > 300s - patience);
        CPPUNIT_ASSERT_EQUAL(before, everyJob());
        CPPUNIT_ASSERT_EQUAL(std::vector<std::string>{"21 of 38 for 300 s"}, posted().massHangBegan);
        CPPUNIT_ASSERT(posted().massHangEnded.empty());
    }

    TEST(holdsWhenTheFirstOfManySilentJobsIsHung)
    {
        connectDetector();
        database().addJobs(30, {.updatedAgo = "250 seconds"});
        database().addJobs(20, {.updatedAgo = "200 seconds"}); // silent for a moment, which does not count
        CPPUNIT_ASSERT(!run().held);
        const std::string first = addHungJob();
        CPPUNIT_ASSERT(run().held);
        CPPUNIT_ASSERT(!isCompleted(first));
        CPPUNIT_ASSERT_EQUAL(std::string("31 of 51 for 300 s"), posted().massHangBegan.front());
    }

    TEST(sparesJobsThatReportAgain)
    {
        const std::vector<std::string> jobs = addHungJobs(30);
        expectHeld();
        for (std::size_t i = 3; i < jobs.size(); ++i)
            database().heartbeat(jobs[i]);
        expectTerminated(3);
        for (std::size_t i = 0; i < jobs.size(); ++i)
            CPPUNIT_ASSERT_EQUAL(i < 3, isCompleted(jobs[i]));
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, run().jobs.hung);
        CPPUNIT_ASSERT_EQUAL(std::vector<std::string>{"3 of 30"}, posted().massHangEnded);
    }

    TEST(goesOnAfterTheHoldWithTheUsualLimit)
    {
        settings().hungJobDuration = 5s;
        addHungJobs(30);
        expectHeld();
        expectHeld();
        std::this_thread::sleep_for(5s);
        for (int i = 0; i < 3; ++i)
            expectTerminated(10);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().massHangBegan.size());
        CPPUNIT_ASSERT_EQUAL(std::vector<std::string>{"30 of 30"}, posted().massHangEnded);
    }

    TEST(doesNotHoldAgainAfterARunThatFailed)
    /// Before or after its search, and for as long as a hold.
    {
        settings().hungJobDuration = 2s;
        addHungJobs(30);
        expectHeld();
        std::this_thread::sleep_for(2s);
        for (const char* const table : {"provisioner_jobs", "provisioner_job_logs"}) {
            database().execute(std::string("ALTER TABLE ") + table + " RENAME TO away");
            CPPUNIT_ASSERT(tryRun().error);
            std::this_thread::sleep_for(2s);
            database().execute(std::string("ALTER TABLE away RENAME TO ") + table);
            expectTerminated(10);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().massHangBegan.size());
    }

    Text everyJob()
    {
        return database().value("SELECT jsonb_agg(to_jsonb(j) ORDER BY id)::text FROM provisioner_jobs j");
    }

    RunStatistics expectHeld()
    {
        RunStatistics statistics = run();
        CPPUNIT_ASSERT(statistics.held);
        CPPUNIT_ASSERT(statistics.terminated.empty());
        CPPUNIT_ASSERT(statistics.jobs.hung > 20);
        return statistics;
    }

    void expectTerminated(int jobs)
    {
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT(!statistics.held);
        CPPUNIT_ASSERT_EQUAL(jobs, static_cast<int>(statistics.terminated.size()));
    }
};

} // namespace HangDetection::Test
