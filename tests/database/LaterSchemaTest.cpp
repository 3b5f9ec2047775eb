#include "LaterSchema.h"
#include "DatabaseFixture.h"

namespace HangDetection::Test {

class LaterSchemaTest : public DatabaseFixture
/// A database of a Coder deployment of 2026. The detector's role may do no more than what it is
/// granted for the earlier one.
{
public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        migrateTo2026(database());
    }

    CPPUNIT_TEST_SUITE(LaterSchemaTest);
    CPPUNIT_TEST(failsAnImportJob);
    CPPUNIT_TEST(failsACanceledJob);
    CPPUNIT_TEST(failsAPendingJob);
    CPPUNIT_TEST(failsABuildJobAndCopiesItsState);
    CPPUNIT_TEST(keepsOwnStateOfABuild);
    CPPUNIT_TEST(leavesTheLengthOfTheLogAlone);
    CPPUNIT_TEST(leavesAReportingJobAlone);
    CPPUNIT_TEST_SUITE_END();

    void failsAnImportJob()
    {
        const std::string job = addHungJob();
        CPPUNIT_ASSERT_EQUAL(Text("running"), jobColumn(job, "job_status"));
        expectTerminated(job, BuildState::none);
    }

    void failsACanceledJob()
    {
        const std::string job = database().addJob({.canceledAgo = "6 minutes"});
        CPPUNIT_ASSERT_EQUAL(Text("canceling"), jobColumn(job, "job_status"));
        expectTerminated(job, BuildState::none);
    }

    void failsAPendingJob()
    {
        settings().pendingJobDuration = std::chrono::minutes(30);
        const std::string job = database().addJob({.startedAgo = std::nullopt, .updatedAgo = "31 minutes"});
        CPPUNIT_ASSERT_EQUAL(Text("pending"), jobColumn(job, "job_status"));
        expectTerminated(job, BuildState::none);
    }

    void failsABuildJobAndCopiesItsState()
    {
        const std::string workspace = Sim::JobDatabase::newId();
        const std::string previous = addFinishedBuild(workspace, 1, "a state");
        const std::string job = addHungBuild(workspace, 2);
        expectTerminated(job, BuildState::copied);
        CPPUNIT_ASSERT_EQUAL(Text("a state"), buildState(job));
        CPPUNIT_ASSERT_EQUAL(buildColumn(previous, "provisioner_state"),
                             buildColumn(job, "provisioner_state"));
        CPPUNIT_ASSERT_EQUAL(jobColumn(job, "completed_at"), buildColumn(job, "updated_at"));
    }

    void keepsOwnStateOfABuild()
    {
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        const std::string job = addHungBuild(workspace, 2, "its own");
        expectTerminated(job, BuildState::kept);
        CPPUNIT_ASSERT_EQUAL(Text("its own"), buildState(job));
    }

    void leavesTheLengthOfTheLogAlone()
    {
        const std::string job = addHungJob();
        database().execute("UPDATE provisioner_jobs SET logs_length = 1048576, logs_overflowed = true");
        expectTerminated(job, BuildState::none);
        CPPUNIT_ASSERT_EQUAL(Text("1048576"), jobColumn(job, "logs_length"));
        CPPUNIT_ASSERT_EQUAL(Text("true"), jobColumn(job, "logs_overflowed"));
    }

    void leavesAReportingJobAlone()
    {
        const std::string job = database().addJob({.updatedAgo = "1 second"});
        const Text before = jobRow(job);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, run().jobs.hung);
        CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
    }

    void expectTerminated(const std::string& job, BuildState state)
    {
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        CPPUNIT_ASSERT_EQUAL(state, posted().terminated.back().state);
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(Text("failed"), jobColumn(job, "job_status"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, database().logs(job).size());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LaterSchemaTest);

} // namespace HangDetection::Test
