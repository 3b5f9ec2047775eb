#include "DatabaseFixture.h"
#include "OpenTransaction.h"
#include "TerminationFaults.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class JobErrorTest : public DatabaseFixture
/// Jobs that cannot be terminated because of an error of their own.
{
    CPPUNIT_TEST_SUITE(JobErrorTest);
    CPPUNIT_TEST(reportsABuildJobWithoutItsBuild);
    CPPUNIT_TEST(leavesABuildJobWithoutItsBuildUntouched);
    CPPUNIT_TEST(goesOnBesideABuildJobWithoutItsBuild);
    CPPUNIT_TEST(reportsAJobThatTheDatabaseRefuses);
    CPPUNIT_TEST(leavesAJobThatTheDatabaseRefusesUntouched);
    CPPUNIT_TEST(terminatesNineBesideOneThatTheDatabaseRefuses);
    CPPUNIT_TEST(terminatesTheOthersWhateverErrorTheJobBringsAbout);
    CPPUNIT_TEST(terminatesTheOthersOfAJobThatIsLockedInside);
    CPPUNIT_TEST(terminatesTheOthersOfAJobThatTakesTooLong);
    CPPUNIT_TEST(terminatesTheOthersOfAJobThatEndsTheSession);
    CPPUNIT_TEST(reportsAJobThatATriggerKeepsAsItIs);
    CPPUNIT_TEST(undoesEverythingWhenTheBuildCannotBeWritten);
    CPPUNIT_TEST(undoesEverythingWhenTheLogCannotBeWritten);
    CPPUNIT_TEST(triesAFailedJobAgainInTheNextRun);
    CPPUNIT_TEST(tellsTheSameErrorOnce);
    CPPUNIT_TEST(givesThePlacesOfARunToTheOthersFirst);
    CPPUNIT_TEST(givesAFailedJobThePlacesThatAreLeft);
    CPPUNIT_TEST(runsInTimeAfterAFailedJob);
    CPPUNIT_TEST_SUITE_END();

    void reportsABuildJobWithoutItsBuild()
    {
        const std::string job = database().addJob({.type = "workspace_build"});
        CPPUNIT_ASSERT_EQUAL(1, run().failed);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().failed.size());
        const Termination& answer = posted().failed.front();
        CPPUNIT_ASSERT_EQUAL(job, answer.jobId);
        CPPUNIT_ASSERT_EQUAL(
            std::string("the job is a workspace build, but no row of workspace_builds belongs to it"),
            answer.error);
        CPPUNIT_ASSERT_EQUAL(std::string(), answer.sqlState);
    }

    void leavesABuildJobWithoutItsBuildUntouched()
    {
        const std::string job = database().addJob({.type = "workspace_build"});
        const Text before = jobRow(job);
        CPPUNIT_ASSERT(run().terminated.empty());
        expectUntouched(job, before);
    }

    void goesOnBesideABuildJobWithoutItsBuild()
    {
        const std::string job = database().addJob({.type = "workspace_build"});
        addHungJobs(4);
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, statistics.terminated.size());
        CPPUNIT_ASSERT_EQUAL(1, statistics.failed);
        CPPUNIT_ASSERT(!isCompleted(job));
    }

    void reportsAJobThatTheDatabaseRefuses()
    {
        const std::string job = addHungJob();
        refuse(database(), job);
        CPPUNIT_ASSERT_EQUAL(1, run().failed);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().failed.size());
        const Termination& answer = posted().failed.front();
        CPPUNIT_ASSERT_EQUAL(job, answer.jobId);
        CPPUNIT_ASSERT_EQUAL(std::string("this job is refused"), answer.error);
        CPPUNIT_ASSERT_EQUAL(std::string("P0001"), answer.sqlState);
    }

    void leavesAJobThatTheDatabaseRefusesUntouched()
    {
        const std::string job = addHungJob();
        refuse(database(), job);
        const Text before = jobRow(job);
        CPPUNIT_ASSERT(run().terminated.empty());
        expectUntouched(job, before);
    }

    void terminatesNineBesideOneThatTheDatabaseRefuses()
    {
        const std::vector<std::string> jobs = addHungJobs(10);
        const std::string& refused = jobs.at(6);
        refuse(database(), refused);
        const Text before = jobRow(refused);
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{9}, statistics.terminated.size());
        CPPUNIT_ASSERT_EQUAL(1, statistics.failed);
        CPPUNIT_ASSERT_EQUAL(refused, posted().failed.at(0).jobId);
        CPPUNIT_ASSERT_EQUAL(std::string("P0001"), posted().failed.at(0).sqlState);
        expectUntouched(refused, before);
        for (const std::string& job : jobs) {
            if (job != refused)
                CPPUNIT_ASSERT_EQUAL(std::size_t{5}, database().logs(job).size());
        }
    }

    void terminatesTheOthersWhateverErrorTheJobBringsAbout()
    {
        // Errors that every job meets, as a rule.
        for (const char* const state : {"0A000", "42501", "42703", "54000", "58030"}) {
            expectOthersTerminated(std::string("RAISE EXCEPTION 'not this one' USING ERRCODE = '") + state +
                                   "'");
            addHungJob();
            const RunStatistics statistics = run();
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, statistics.terminated.size());
            CPPUNIT_ASSERT_EQUAL(1, statistics.failed);
            CPPUNIT_ASSERT_EQUAL(std::string(state), posted().failed.back().sqlState);
            CPPUNIT_ASSERT_EQUAL(std::string("not this one"), posted().failed.back().error);
            refuseNoMore(database());
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, run().terminated.size());
        }
    }

    void terminatesTheOthersOfAJobThatIsLockedInside()
    {
        database().execute("CREATE TABLE other (id int)");
        database().execute("INSERT INTO other VALUES (1)");
        const OpenTransaction worker(connectionString(), "SELECT FROM other FOR UPDATE");
        expectOthersTerminated("PERFORM FROM other FOR UPDATE");
    }

    void terminatesTheOthersOfAJobThatTakesTooLong()
    {
        settings().runTimeout = 1s;
        expectOthersTerminated("PERFORM pg_sleep(600)");
    }

    void terminatesTheOthersOfAJobThatEndsTheSession()
    {
        expectOthersTerminated("PERFORM pg_terminate_backend(pg_backend_pid())");
    }

    void reportsAJobThatATriggerKeepsAsItIs()
    {
        const std::string job = addHungJob();
        refuse(database(), job, "RETURN NULL");
        const Text before = jobRow(job);
        const std::string other = addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::vector{other}, run().terminated);
        CPPUNIT_ASSERT_EQUAL(std::string("a trigger of the database keeps the job from being updated"),
                             posted().failed.at(0).error);
        expectUntouched(job, before);
    }

    void expectOthersTerminated(const std::string& whatOneDoes)
    /// By as many runs as it takes. The order in which jobs are tried is random.
    {
        constexpr int mostRuns = 50;
        const std::vector<std::string> jobs = addHungJobs(5);
        const std::string& refused = jobs.at(2);
        refuse(database(), refused, whatOneDoes);
        const Text before = jobRow(refused);
        std::size_t terminated = 0;
        for (int i = 0; i < mostRuns && terminated < jobs.size() - 1; ++i)
            terminated += tryRun().terminated.size();
        CPPUNIT_ASSERT_EQUAL(jobs.size() - 1, terminated);
        expectUntouched(refused, before);
    }

    void undoesEverythingWhenTheBuildCannotBeWritten()
    {
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        const std::string job = addHungBuild(workspace, 2);
        refuseWriting("workspace_builds");
        const Text before = jobRow(job);
        CPPUNIT_ASSERT_EQUAL(1, run().failed);
        expectUntouched(job, before);
    }

    void undoesEverythingWhenTheLogCannotBeWritten()
    {
        const std::string job = addHungJob();
        refuseWriting("provisioner_job_logs");
        const Text before = jobRow(job);
        CPPUNIT_ASSERT_EQUAL(1, run().failed);
        expectUntouched(job, before);
    }

    void tellsTheSameErrorOnce()
    {
        refuse(database(), addHungJob());
        run();
        CPPUNIT_ASSERT_EQUAL(0, posted().failedAsBefore);
        run();
        CPPUNIT_ASSERT_EQUAL(1, posted().failedAsBefore);
        CPPUNIT_ASSERT_EQUAL(std::string("P0001"), posted().failed.at(1).sqlState);
    }

    void triesAFailedJobAgainInTheNextRun()
    {
        const std::string job = addHungJob();
        refuse(database(), job);
        CPPUNIT_ASSERT_EQUAL(1, run().failed);
        refuseNoMore(database());
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void runsInTimeAfterAFailedJob()
    {
        // One bad job must not make the detector run more often than everybody expects.
        refuse(database(), addHungJob());
        CPPUNIT_ASSERT(!detector().pauseAfter(run()));
    }

    void givesThePlacesOfARunToTheOthersFirst()
    {
        settings().maxJobsPerRun = 2;
        const std::string bad = database().addJob({.type = "workspace_build"});
        const std::string worse = addHungJob();
        refuse(database(), worse);
        run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, posted().failed.size());
        addHungJobs(14);
        for (int i = 0; i < 7; ++i)
            CPPUNIT_ASSERT_EQUAL(std::size_t{2}, run().terminated.size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, posted().failed.size());
        CPPUNIT_ASSERT(!isCompleted(bad));
        CPPUNIT_ASSERT(!isCompleted(worse));
    }

    void givesAFailedJobThePlacesThatAreLeft()
    {
        settings().maxJobsPerRun = 2;
        const std::string job = database().addJob({.type = "workspace_build"});
        run();
        database().addBuild({.jobId = job});
        const std::string other = addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, run().terminated.size());
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT(isCompleted(other));
    }

    void refuseWriting(const std::string& table)
    {
        database().execute("CREATE FUNCTION refuse_writing() RETURNS trigger LANGUAGE plpgsql AS"
                           " 'BEGIN RAISE EXCEPTION ''not this table''; END'");
        database().execute("CREATE TRIGGER refuse_writing BEFORE INSERT OR UPDATE ON " + table +
                           " FOR EACH ROW EXECUTE FUNCTION refuse_writing()");
    }

    void expectUntouched(const std::string& job, const Text& before)
    {
        CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
        CPPUNIT_ASSERT(database().logs(job).empty());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(JobErrorTest);

} // namespace HangDetection::Test
