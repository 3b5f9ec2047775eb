#include "ContractTexts.h"
#include "DatabaseFixture.h"
#include "RememberedJobs.h"

#include <set>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class TerminationTest : public DatabaseFixture
/// What becomes of hung jobs, and what is posted about them.
{
    CPPUNIT_TEST_SUITE(TerminationTest);
    CPPUNIT_TEST(failsHungJobsByTheContract);
    CPPUNIT_TEST(namesALongerThreshold);
    CPPUNIT_TEST(namesHalfMinutes);
    CPPUNIT_TEST_SUITE_END();

    void failsHungJobsByTheContract() { expectTerminations(5min, "5"); }

    void namesALongerThreshold() { expectTerminations(10min, "10"); }

    void namesHalfMinutes() { expectTerminations(90s, "1.5"); }

    void expectTerminations(std::chrono::seconds threshold, const std::string& minutes)
    /// Of all jobs that are hung, once, and of no others. RememberedJobs knows the whole contract.
    {
        settings().hungJobDuration = threshold;
        const std::string silent = std::to_string(threshold.count() + 1) + " seconds";
        std::vector<std::string> hung;
        for (const char* const type : {"template_version_import", "template_version_dry_run"}) {
            hung.push_back(database().addJob({.type = type, .updatedAgo = silent}));
            hung.push_back(
                database().addJob({.type = type, .updatedAgo = silent, .canceledAgo = "6 minutes"}));
        }
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 6, "state");
        const std::string build = database().addBuildJob(
            {.updatedAgo = silent},
            {.jobId = "", .workspaceId = workspace, .buildNumber = 7, .state = std::nullopt});
        hung.push_back(build);
        database().execute("UPDATE provisioner_jobs SET error_code = 'REQUIRED_TEMPLATE_VARIABLES'");
        database().addLog(hung.front(), "Planning");
        database().addJob({.completedAgo = "10 minutes"});
        database().addJob({.updatedAgo = "10 seconds"});
        database().addJob({.startedAgo = std::nullopt});
        RememberedJobs jobs(connectionString(), {.threshold = threshold, .minutes = minutes});
        jobs.remember();

        const Text before = database().value("SELECT clock_timestamp()::text");
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(hung.size(), static_cast<std::size_t>(statistics.jobs.hung));
        CPPUNIT_ASSERT_EQUAL(0, statistics.locked + statistics.ineligible + statistics.failed);
        const std::set<std::string> expected(hung.begin(), hung.end());
        CPPUNIT_ASSERT_EQUAL(hung.size(), statistics.terminated.size());
        CPPUNIT_ASSERT(expected == std::set(statistics.terminated.begin(), statistics.terminated.end()));
        CPPUNIT_ASSERT(expected == jobs.terminatedCompletely());
        for (const Termination& answer : posted().terminated) {
            const bool isBuild = answer.jobId == build;
            CPPUNIT_ASSERT_EQUAL(jobColumn(answer.jobId, "type"), Text(answer.type));
            CPPUNIT_ASSERT(answer.silent > threshold && answer.silent < threshold + patience);
            CPPUNIT_ASSERT_EQUAL(std::string(answer.jobId == hung.front() ? "Planning" : "Unknown"),
                                 answer.stage);
            CPPUNIT_ASSERT_EQUAL(isBuild ? workspace : "", answer.workspaceId);
            CPPUNIT_ASSERT_EQUAL(std::int64_t{isBuild ? 7 : 0}, answer.buildNumber);
            CPPUNIT_ASSERT_EQUAL(isBuild ? BuildState::copied : BuildState::none, answer.state);
            CPPUNIT_ASSERT_EQUAL(std::string(), answer.error);
            CPPUNIT_ASSERT_EQUAL(Text(Sim::ContractTexts{.minutes = minutes}.error()),
                                 jobColumn(answer.jobId, "error"));
            CPPUNIT_ASSERT(
                database().isTrue("SELECT completed_at BETWEEN '" + before.value() +
                                      "' AND clock_timestamp() FROM provisioner_jobs WHERE id = $1::uuid",
                                  answer.jobId));
        }

        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, run().jobs.hung);
        CPPUNIT_ASSERT(expected == jobs.terminatedCompletely());
        CPPUNIT_ASSERT_EQUAL(hung.size(), posted().terminated.size());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(TerminationTest);

} // namespace HangDetection::Test
