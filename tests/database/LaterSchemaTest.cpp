#include "LaterSchema.h"
#include "DatabaseFixture.h"
#include "Rows.h"

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
    CPPUNIT_TEST(failsAJobAndLeavesTheLengthOfItsLogAlone);
    CPPUNIT_TEST(failsABuildJobAndCopiesItsState);
    CPPUNIT_TEST(keepsOwnStateOfABuild);
    CPPUNIT_TEST(leavesAReportingJobAlone);
    CPPUNIT_TEST_SUITE_END();

    void failsAJobAndLeavesTheLengthOfItsLogAlone()
    {
        struct Row
        {
            std::string name;
            /// The job's status before.
            Sim::JobRow job;
        };
        const std::vector<Row> rows{{"running", {}},
                                    {"canceling", {.canceledAgo = "6 minutes"}},
                                    {"pending", {.startedAgo = std::nullopt, .updatedAgo = "31 minutes"}}};
        settings().pendingJobDuration = std::chrono::minutes(30);
        forEachRow<Row>(rows, [this](const Row& row) {
            const std::string job = database().addJob(row.job);
            database().execute("UPDATE provisioner_jobs SET logs_length = 1048576, logs_overflowed = true");
            CPPUNIT_ASSERT_EQUAL(Text(row.name), jobColumn(job, "job_status"));
            expectTerminated(job, BuildState::none);
            CPPUNIT_ASSERT_EQUAL(Text("1048576"), jobColumn(job, "logs_length"));
            CPPUNIT_ASSERT_EQUAL(Text("true"), jobColumn(job, "logs_overflowed"));
        });
    }

    void failsABuildJobAndCopiesItsState()
    {
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        const std::string job = addHungBuild(workspace, 2);
        expectTerminated(job, BuildState::copied);
        CPPUNIT_ASSERT_EQUAL(Text("a state"), buildState(job));
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
