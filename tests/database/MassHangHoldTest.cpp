#include "DatabaseFixture.h"

#include <thread>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class MassHangHoldTest : public DatabaseFixture
/// So many jobs are silent at once that something upstream of them is probably down.
{
    CPPUNIT_TEST_SUITE(MassHangHoldTest);
    CPPUNIT_TEST(holdsAboveBothLimits);
    CPPUNIT_TEST(holdsWhenTheFirstOfManySilentJobsIsHung);
    CPPUNIT_TEST(countsNoJobThatWasSilentForAMoment);
    CPPUNIT_TEST(terminatesAtTheRatio);
    CPPUNIT_TEST(terminatesAtTheNumberOfJobs);
    CPPUNIT_TEST(countsNeitherFinishedNorWaitingJobs);
    CPPUNIT_TEST(neverHoldsWithRatioZero);
    CPPUNIT_TEST(sparesJobsThatReportAgain);
    CPPUNIT_TEST(goesOnAfterTheHoldWithTheUsualLimit);
    CPPUNIT_TEST(isTriedAgainWhenTheHoldIsOver);
    CPPUNIT_TEST(holdsAfterALongOutage);
    CPPUNIT_TEST(doesNotHoldAgainAfterTerminationsThatFailed);
    CPPUNIT_TEST_SUITE_END();

    void holdsAboveBothLimits()
    {
        addJobs(21, 17); // 55.3 percent
        const auto before = everyJob();
        expectHeld();
        expectHeld();
        CPPUNIT_ASSERT_EQUAL(before, everyJob());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().massHangBegan.size());
        CPPUNIT_ASSERT_EQUAL(std::string("21 of 38 for 300 s"), posted().massHangBegan.front());
        CPPUNIT_ASSERT(posted().massHangEnded.empty());
    }

    void holdsWhenTheFirstOfManySilentJobsIsHung()
    {
        connectDetector();
        database().addJobs(30, {.updatedAgo = "250 seconds"});
        CPPUNIT_ASSERT(!run().held);
        const std::string first = addHungJob();
        CPPUNIT_ASSERT(run().held);
        CPPUNIT_ASSERT(!isCompleted(first));
        CPPUNIT_ASSERT_EQUAL(std::string("31 of 31 for 300 s"), posted().massHangBegan.front());
    }

    void countsNoJobThatWasSilentForAMoment()
    {
        connectDetector();
        database().addJobs(30, {.updatedAgo = "200 seconds"});
        addHungJob();
        expectTerminated(1);
    }

    void terminatesAtTheRatio()
    {
        addJobs(22, 18); // 55 percent
        expectTerminated(10);
        CPPUNIT_ASSERT(posted().massHangBegan.empty());
    }

    void terminatesAtTheNumberOfJobs()
    {
        addJobs(20, 0);
        expectTerminated(10);
        expectTerminated(10);
        CPPUNIT_ASSERT(posted().massHangBegan.empty());
    }

    void countsNeitherFinishedNorWaitingJobs()
    {
        addJobs(21, 0);
        for (int i = 0; i < 30; ++i) {
            database().addJob({.completedAgo = "1 hour"});
            database().addJob({.startedAgo = std::nullopt});
        }
        expectHeld();
        CPPUNIT_ASSERT_EQUAL(std::string("21 of 21 for 300 s"), posted().massHangBegan.front());
    }

    void neverHoldsWithRatioZero()
    {
        settings().massHangRatio = 0;
        addJobs(30, 0);
        expectTerminated(10);
    }

    void sparesJobsThatReportAgain()
    {
        const std::vector<std::string> jobs = addHungJobs(30);
        expectHeld();
        for (std::size_t i = 3; i < jobs.size(); ++i)
            database().heartbeat(jobs[i]);
        expectTerminated(3);
        for (std::size_t i = 0; i < jobs.size(); ++i)
            CPPUNIT_ASSERT_EQUAL(i < 3, isCompleted(jobs[i]));
        CPPUNIT_ASSERT_EQUAL(std::vector<std::string>{"3 of 30"}, posted().massHangEnded);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, run().jobs.hung);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().massHangEnded.size());
    }

    void goesOnAfterTheHoldWithTheUsualLimit()
    {
        settings().hungJobDuration = 5s;
        addHungJobs(30);
        expectHeld();
        expectHeld();
        std::this_thread::sleep_for(5s);
        expectTerminated(10);
        expectTerminated(10);
        expectTerminated(10);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().massHangBegan.size());
        CPPUNIT_ASSERT_EQUAL(std::vector<std::string>{"30 of 30"}, posted().massHangEnded);
    }

    void isTriedAgainWhenTheHoldIsOver()
    {
        settings().interval = 3600s;
        addHungJobs(30);
        const auto pause = detector().pauseAfter(run());
        CPPUNIT_ASSERT(pause);
        CPPUNIT_ASSERT(*pause <= 300s);
        CPPUNIT_ASSERT(*pause > 300s - patience);
    }

    void holdsAfterALongOutage()
    {
        // Nobody could report meanwhile: what is silent then is as new as at the first sight.
        settings().hungJobDuration = 2s;
        addHungJobs(30);
        expectHeld();
        std::this_thread::sleep_for(2s);
        expectTerminated(10);
        database().execute("ALTER TABLE provisioner_jobs RENAME TO away");
        detector().pauseAfter(tryRun());
        std::this_thread::sleep_for(2s);
        database().execute("ALTER TABLE away RENAME TO provisioner_jobs");
        addHungJobs(10);
        expectHeld();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, posted().massHangBegan.size());
    }

    void doesNotHoldAgainAfterTerminationsThatFailed()
    {
        settings().hungJobDuration = 2s;
        addHungJobs(30);
        expectHeld();
        std::this_thread::sleep_for(2s);
        database().execute("ALTER TABLE provisioner_job_logs RENAME TO away");
        const RunStatistics failed = tryRun();
        CPPUNIT_ASSERT(failed.error);
        detector().pauseAfter(failed);
        std::this_thread::sleep_for(2s);
        database().execute("ALTER TABLE away RENAME TO provisioner_job_logs");
        expectTerminated(10);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().massHangBegan.size());
    }

    void addJobs(int hung, int healthy)
    {
        connectDetector();
        addHungJobs(hung);
        for (int i = 0; i < healthy; ++i)
            database().addJob({.updatedAgo = "1 minute"});
    }

    Text everyJob()
    {
        return database().value("SELECT jsonb_agg(to_jsonb(j) ORDER BY id)::text FROM provisioner_jobs j"
                                " WHERE $1 = ''",
                                "");
    }

    void expectHeld()
    {
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT(statistics.held);
        CPPUNIT_ASSERT(statistics.terminated.empty());
        CPPUNIT_ASSERT(statistics.jobs.hung > 20);
    }

    void expectTerminated(std::size_t jobs)
    {
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT(!statistics.held);
        CPPUNIT_ASSERT_EQUAL(jobs, statistics.terminated.size());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MassHangHoldTest);

} // namespace HangDetection::Test
