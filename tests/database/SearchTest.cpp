#include "DatabaseFixture.h"
#include "Rows.h"

#include <algorithm>
#include <set>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class SearchTest : public DatabaseFixture
/// Which jobs a run takes for hung, and how many of them it takes on.
{
    CPPUNIT_TEST_SUITE(SearchTest);
    CPPUNIT_TEST(findsNothingWithoutJobs);
    CPPUNIT_TEST(leavesOtherJobsAlone);
    CPPUNIT_TEST(takesAJobSilentForLongerThanTheThreshold);
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

    void leavesOtherJobsAlone()
    {
        connectDetector();
        for (const char* const ago : {"0 minutes", "1 minute", "2 minutes", "3 minutes", "4 minutes"})
            expectLeftAlone({.updatedAgo = ago});
        expectLeftAlone({.updatedAgo = "1 hour", .completedAgo = "1 hour"});
        expectLeftAlone({.startedAgo = std::nullopt, .updatedAgo = "1 hour"});
    }

    void takesAJobSilentForLongerThanTheThreshold()
    {
        struct Row
        {
            const char* name;
            std::chrono::seconds threshold;
            const char* shorter;
            const char* longer;
        };
        const std::vector<Row> rows{{"the default", Settings().hungJobDuration, "290 seconds", "301 seconds"},
                                    {"a longer one", 10min, "9 minutes", "11 minutes"},
                                    {"one of seconds", 90s, "1 minute", "91 seconds"}};
        forEachRow(rows, [this](const Row& row) {
            settings().hungJobDuration = row.threshold;
            forgetDetector();
            connectDetector();
            database().execute("TRUNCATE provisioner_jobs CASCADE");
            expectLeftAlone({.updatedAgo = row.shorter});
            const std::string job = database().addJob({.updatedAgo = row.longer});
            CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
            CPPUNIT_ASSERT(isCompleted(job));
        });
    }

    void takesTenOfElevenJobsAndTheLastOneNextTime()
    {
        const std::vector<std::string> jobs = addHungJobs(11);
        expectTerminated(10, 11);
        expectTerminated(1, 1);
        CPPUNIT_ASSERT(std::ranges::all_of(jobs, [this](const auto& job) { return isCompleted(job); }));
    }

    void takesAsManyJobsAsAllowed()
    {
        settings().maxJobsPerRun = 3;
        addHungJobs(5);
        expectTerminated(3, 5);
    }

    void choosesAtRandomAboveTheLimit()
    {
        // One chance in 5^39 that a random choice falls on the same job each time. The rows are written
        // anew for each run, as an update would move them and so change the order of a plain scan.
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

    void expectTerminated(std::size_t terminated, std::int64_t hung)
    {
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(terminated, statistics.terminated.size());
        CPPUNIT_ASSERT_EQUAL(hung, statistics.jobs.hung);
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
