#include "ContractTexts.h"
#include "DatabaseFixture.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class TerminationTest : public DatabaseFixture
/// What becomes of the row of a hung job, and what is told about it.
{
    CPPUNIT_TEST_SUITE(TerminationTest);
    CPPUNIT_TEST(failsAnImportJob);
    CPPUNIT_TEST(failsADryRunJob);
    CPPUNIT_TEST(completesAndUpdatesAtTheSameInstant);
    CPPUNIT_TEST(completesAtTheTimeOfTheDatabase);
    CPPUNIT_TEST(writesTheErrorOfCoder);
    CPPUNIT_TEST(clearsAnErrorCode);
    CPPUNIT_TEST(writesALongerThresholdIntoTheError);
    CPPUNIT_TEST(writesHalfMinutesIntoTheError);
    CPPUNIT_TEST(terminatesACanceledJob);
    CPPUNIT_TEST(touchesNoOtherColumn);
    CPPUNIT_TEST(touchesNoOtherJob);
    CPPUNIT_TEST(terminatesAJobOnlyOnce);
    CPPUNIT_TEST(postsAnImportJob);
    CPPUNIT_TEST(postsABuildJob);
    CPPUNIT_TEST_SUITE_END();

    void failsAnImportJob() { expectFailed({.type = "template_version_import"}); }

    void failsADryRunJob() { expectFailed({.type = "template_version_dry_run"}); }

    void completesAndUpdatesAtTheSameInstant()
    {
        const std::string job = addHungJob();
        run();
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(jobColumn(job, "completed_at"), jobColumn(job, "updated_at"));
    }

    void completesAtTheTimeOfTheDatabase()
    {
        const std::string job = addHungJob();
        const Text before = database().value("SELECT (clock_timestamp() + $1::interval)::text", "0");
        run();
        CPPUNIT_ASSERT(
            database().isTrue("SELECT completed_at BETWEEN '" + before.value() +
                                  "' AND clock_timestamp() FROM provisioner_jobs WHERE id = $1::uuid",
                              job));
    }

    void writesTheErrorOfCoder()
    {
        const std::string job = addHungJob();
        run();
        CPPUNIT_ASSERT_EQUAL(errorAfter("5"), jobColumn(job, "error"));
    }

    void clearsAnErrorCode()
    {
        const std::string job = addHungJob();
        database().execute("UPDATE provisioner_jobs SET error_code = 'REQUIRED_TEMPLATE_VARIABLES'");
        run();
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(Text(), jobColumn(job, "error_code"));
    }

    void writesALongerThresholdIntoTheError()
    {
        settings().hungJobDuration = 10min;
        const std::string job = database().addJob({.updatedAgo = "11 minutes"});
        run();
        CPPUNIT_ASSERT_EQUAL(errorAfter("10"), jobColumn(job, "error"));
    }

    void writesHalfMinutesIntoTheError()
    {
        settings().hungJobDuration = 90s;
        const std::string job = addHungJob();
        run();
        CPPUNIT_ASSERT_EQUAL(errorAfter("1.5"), jobColumn(job, "error"));
    }

    void terminatesACanceledJob()
    {
        const std::string job = database().addJob({.canceledAgo = "6 minutes"});
        const Text canceledAt = jobColumn(job, "canceled_at");
        const Text startedAt = jobColumn(job, "started_at");
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(canceledAt, jobColumn(job, "canceled_at"));
        CPPUNIT_ASSERT_EQUAL(startedAt, jobColumn(job, "started_at"));
    }

    void touchesNoOtherColumn()
    {
        const std::string job = addHungJob();
        const Text before = otherColumns(job);
        run();
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(before, otherColumns(job));
    }

    void touchesNoOtherJob()
    {
        const std::string completed = database().addJob({.completedAgo = "10 minutes"});
        const std::string reporting = database().addJob({.updatedAgo = "10 seconds"});
        const std::string waiting = database().addJob({.startedAgo = std::nullopt});
        const std::vector<Text> before = {jobRow(completed), jobRow(reporting), jobRow(waiting)};
        addHungJob();
        run();
        CPPUNIT_ASSERT_EQUAL(before, (std::vector{jobRow(completed), jobRow(reporting), jobRow(waiting)}));
    }

    void terminatesAJobOnlyOnce()
    {
        const std::string job = addHungJob();
        run();
        const Text before = jobRow(job);
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, statistics.jobs.hung);
        CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().terminated.size());
    }

    void postsAnImportJob()
    {
        const std::string job = database().addJob({.updatedAgo = "10 minutes"});
        database().addLog(job, "Parsing");
        run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().terminated.size());
        const Termination& answer = posted().terminated.front();
        CPPUNIT_ASSERT_EQUAL(job, answer.jobId);
        CPPUNIT_ASSERT_EQUAL(std::string("template_version_import"), answer.type);
        CPPUNIT_ASSERT(answer.silent >= 10min && answer.silent < 10min + patience);
        CPPUNIT_ASSERT_EQUAL(std::string("Parsing"), answer.stage);
        CPPUNIT_ASSERT_EQUAL(std::string(), answer.workspaceId);
        CPPUNIT_ASSERT_EQUAL(BuildState::none, answer.state);
        CPPUNIT_ASSERT_EQUAL(std::string(), answer.error);
    }

    void postsABuildJob()
    {
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 6, "state");
        const std::string job = addHungBuild(workspace, 7);
        run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().terminated.size());
        const Termination& answer = posted().terminated.front();
        CPPUNIT_ASSERT_EQUAL(job, answer.jobId);
        CPPUNIT_ASSERT_EQUAL(std::string("workspace_build"), answer.type);
        CPPUNIT_ASSERT_EQUAL(workspace, answer.workspaceId);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{7}, answer.buildNumber);
        CPPUNIT_ASSERT_EQUAL(BuildState::copied, answer.state);
    }

    void expectFailed(const Sim::JobRow& row)
    {
        const std::string job = database().addJob(row);
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, statistics.terminated);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{1}, statistics.jobs.hung);
        CPPUNIT_ASSERT_EQUAL(0, statistics.locked + statistics.ineligible + statistics.failed);
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(errorAfter("5"), jobColumn(job, "error"));
    }

    static Text errorAfter(const std::string& minutes)
    {
        return Sim::ContractTexts{.minutes = minutes}.error();
    }

    Text otherColumns(const std::string& job)
    {
        return database().value(
            "SELECT (to_jsonb(j) - '{updated_at,completed_at,error,error_code}'::text[])::text"
            " FROM provisioner_jobs j WHERE id = $1::uuid",
            job);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(TerminationTest);

} // namespace HangDetection::Test
