#include "DatabaseFixture.h"

#include <algorithm>
#include <set>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class SearchTest : public DatabaseFixture
/// Which jobs a run takes for hung, and how many of them it takes on.
{
    CPPUNIT_TEST_SUITE(SearchTest);
    CPPUNIT_TEST(findsNothingWithoutJobs);
    CPPUNIT_TEST(leavesReportingJobsAlone);
    CPPUNIT_TEST(leavesAJobSilentForLessThanTheThreshold);
    CPPUNIT_TEST(takesAJobSilentForLongerThanTheThreshold);
    CPPUNIT_TEST(leavesCompletedJobsAlone);
    CPPUNIT_TEST(leavesNeverStartedJobsAlone);
    CPPUNIT_TEST(appliesALongerThreshold);
    CPPUNIT_TEST(appliesAThresholdOfSeconds);
    CPPUNIT_TEST(takesTenOfElevenJobsAndTheLastOneNextTime);
    CPPUNIT_TEST(takesAsManyJobsAsAllowed);
    CPPUNIT_TEST(choosesAtRandomAboveTheLimit);
    CPPUNIT_TEST(postsTheFinishedRunOnce);
    CPPUNIT_TEST_SUITE_END();

    void findsNothingWithoutJobs()
    {
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT(statistics.terminated.empty());
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, statistics.jobs.hung);
        CPPUNIT_ASSERT_EQUAL(0, statistics.locked + statistics.ineligible + statistics.failed);
        CPPUNIT_ASSERT(!statistics.error);
    }

    void leavesReportingJobsAlone()
    {
        connectDetector();
        for (const char* const ago : {"0 minutes", "1 minute", "2 minutes", "3 minutes", "4 minutes"})
            expectLeftAlone({.updatedAgo = ago});
    }

    void leavesAJobSilentForLessThanTheThreshold()
    {
        connectDetector();
        expectLeftAlone({.updatedAgo = "290 seconds"});
    }

    void takesAJobSilentForLongerThanTheThreshold()
    {
        const std::string job = database().addJob({.updatedAgo = "301 seconds"});
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        CPPUNIT_ASSERT(isCompleted(job));
    }

    void leavesCompletedJobsAlone() { expectLeftAlone({.updatedAgo = "1 hour", .completedAgo = "1 hour"}); }

    void leavesNeverStartedJobsAlone()
    {
        expectLeftAlone({.startedAgo = std::nullopt, .updatedAgo = "1 hour"});
    }

    void appliesALongerThreshold()
    {
        settings().hungJobDuration = 10min;
        expectLeftAlone({.updatedAgo = "9 minutes"});
        const std::string job = database().addJob({.updatedAgo = "11 minutes"});
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void appliesAThresholdOfSeconds()
    {
        settings().hungJobDuration = 90s;
        expectLeftAlone({.updatedAgo = "1 minute"});
        const std::string job = database().addJob({.updatedAgo = "91 seconds"});
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void takesTenOfElevenJobsAndTheLastOneNextTime()
    {
        const std::vector<std::string> jobs = addHungJobs(11);
        const RunStatistics first = run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{10}, first.terminated.size());
        CPPUNIT_ASSERT_EQUAL(std::int64_t{11}, first.jobs.hung);

        const RunStatistics second = run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, second.terminated.size());
        CPPUNIT_ASSERT_EQUAL(std::int64_t{1}, second.jobs.hung);
        CPPUNIT_ASSERT(
            std::all_of(jobs.begin(), jobs.end(), [this](const auto& job) { return isCompleted(job); }));
    }

    void takesAsManyJobsAsAllowed()
    {
        settings().maxJobsPerRun = 3;
        addHungJobs(5);
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, statistics.terminated.size());
        CPPUNIT_ASSERT_EQUAL(std::int64_t{5}, statistics.jobs.hung);
    }

    void choosesAtRandomAboveTheLimit()
    {
        // Five jobs and forty runs: one chance in 5^39 that a random choice falls on
        // the same job each time. The rows are written anew for each run, in the same
        // order, as an update would move them and so change the order of a plain scan.
        constexpr int runs = 40;
        settings().maxJobsPerRun = 1;
        const std::vector<std::string> jobs = addHungJobs(5);
        std::set<std::string> chosen;
        for (int i = 0; i < runs; ++i) {
            database().execute("TRUNCATE provisioner_jobs CASCADE");
            for (const std::string& job : jobs)
                database().addJob({.id = job});
            chosen.insert(run().terminated.at(0));
        }
        CPPUNIT_ASSERT_GREATER(std::size_t{1}, chosen.size());
    }

    void postsTheFinishedRunOnce()
    {
        const std::string job = addHungJob();
        run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().finished.size());
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, posted().finished.front().terminated);
    }

    void expectLeftAlone(const Sim::JobRow& row)
    {
        const std::string job = database().addJob(row);
        const Text before = jobRow(job);
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, statistics.jobs.hung);
        CPPUNIT_ASSERT(statistics.terminated.empty());
        CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
        CPPUNIT_ASSERT(database().logs(job).empty());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SearchTest);

} // namespace HangDetection::Test
