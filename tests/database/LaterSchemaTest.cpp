#include "LaterSchema.h"
#include "DatabaseFixture.h"
#include "RememberedJobs.h"

#include <map>
#include <utility>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class LaterSchemaTest : public DatabaseFixture
/// A database of a Coder deployment of 2026.
{
public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        migrateTo2026(database());
    }

    CPPUNIT_TEST_SUITE(LaterSchemaTest);
    CPPUNIT_TEST(terminatesHungJobsCompletelyAndTouchesNothingElse);
    CPPUNIT_TEST(doesSoWithARoleThatWasMadeBeforeTheMigration);
    CPPUNIT_TEST(findsAJobWhoseStatusIsWrongByAFullSearch);
    CPPUNIT_TEST(doesWithoutTheStatusWhenItsRightGoes);
    CPPUNIT_TEST(failsAPendingJob);
    CPPUNIT_TEST_SUITE_END();

    void terminatesHungJobsCompletelyAndTouchesNothingElse()
    {
        applyRoleScript();
        expectTerminations();
    }

    void doesSoWithARoleThatWasMadeBeforeTheMigration() { expectTerminations(); }

    void findsAJobWhoseStatusIsWrongByAFullSearch()
    {
        applyRoleScript();
        addHungJob();
        database().execute(
            "UPDATE provisioner_jobs SET error = 'of a termination whose completion a cancel took back'");
        for (const auto& [interval, found] : {std::pair(1h, 0), {0h, 1}}) {
            JobStore store(ConnectionString::parse(connectionString(detectorRole)), patience, interval);
            store.open({});
            CPPUNIT_ASSERT_EQUAL(
                std::int64_t{found},
                store.findJobs({.thresholds = {5min}, .lookAhead = 1min, .places = 10}).counts.running);
        }
    }

    void doesWithoutTheStatusWhenItsRightGoes()
    {
        applyRoleScript();
        connectDetector();
        database().execute("REVOKE SELECT (job_status) ON provisioner_jobs FROM hang_detector");
        const std::string job = addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void expectTerminations()
    {
        const std::string running = addHungJob();
        const std::string canceled = database().addJob({.canceledAgo = "6 minutes"});
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        const std::string build = addHungBuild(workspace, 2);
        addFinishedBuild(workspace, 3, "another state");
        const std::string buildWithState = addHungBuild(workspace, 4, "its own");
        database().addJob({.updatedAgo = "1 second"});
        database().execute("UPDATE provisioner_jobs SET logs_length = 1048576, logs_overflowed = true");
        CPPUNIT_ASSERT_EQUAL(Text("running"), jobColumn(running, "job_status"));
        CPPUNIT_ASSERT_EQUAL(Text("canceling"), jobColumn(canceled, "job_status"));
        RememberedJobs jobs(connectionString(), {.changedByWorkers = "{job_status}"});
        jobs.remember();

        CPPUNIT_ASSERT_EQUAL(std::int64_t{4}, run().jobs.hung);
        std::map<std::string, BuildState> answers;
        for (const Termination& answer : posted().terminated)
            answers.emplace(answer.jobId, answer.state);
        CPPUNIT_ASSERT((std::map<std::string, BuildState>{{running, BuildState::none},
                                                          {canceled, BuildState::none},
                                                          {build, BuildState::copied},
                                                          {buildWithState, BuildState::kept}}) == answers);
        // The other jobs, of which one reports, are as they were.
        CPPUNIT_ASSERT_EQUAL(answers.size(), jobs.terminatedCompletely().size());
        for (const auto& [job, state] : answers)
            CPPUNIT_ASSERT_EQUAL(Text("failed"), jobColumn(job, "job_status"));
        CPPUNIT_ASSERT_EQUAL(Text("a state"), buildState(build));
        CPPUNIT_ASSERT_EQUAL(Text("its own"), buildState(buildWithState));
    }

    void failsAPendingJob()
    {
        settings().pendingJobDuration = std::chrono::minutes(30);
        const std::string job = database().addJob({.startedAgo = std::nullopt, .updatedAgo = "31 minutes"});
        CPPUNIT_ASSERT_EQUAL(Text("pending"), jobColumn(job, "job_status"));
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(Text("failed"), jobColumn(job, "job_status"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, database().logs(job).size());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LaterSchemaTest);

} // namespace HangDetection::Test
