#include "DatabaseFixture.h"
#include "OpenTransaction.h"
#include "RememberedJobs.h"
#include "Rows.h"
#include "TerminationFaults.h"
#include "data/AdvisoryLock.h"
#include "data/JobStore.h"
#include "detection/LockedJobs.h"
#include "notification/LogLine.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class JobErrorTest : public DatabaseFixture
/// Jobs that cannot be terminated because of an error of their own.
{
    TEST_SUITE(JobErrorTest);

    TEST(reportsAJobWithAnErrorAndTerminatesTheOthers)
    {
        struct Row
        {
            const char* name;
            bool hasBuild;
            std::string table;
            /// A trigger on it does this to the job.
            std::string trigger;
            std::string error;
            std::string sqlState;
            bool isAtCommit = false;
        };
        const std::string refusal = "RAISE EXCEPTION 'refused'";
        const std::string notWhole =
            "invalid input syntax for type boolean: \"a trigger changed what the hang "
            "detector wrote for job ";
        const std::vector<Row> rows{
            {"no build", false, "", "",
             "the job is a workspace build, but workspace_builds has no row for it", ""},
            {"job refused", true, "provisioner_jobs", refusal, "refused", "P0001"},
            // Of ten megabytes. Two bytes are a character.
            {"long reason", true, "provisioner_jobs", "RAISE EXCEPTION '%', repeat('ö', 5000000)", "...[cut]",
             "P0001"},
            {"build refused", true, "workspace_builds", refusal, "refused", "P0001"},
            {"log refused", true, "provisioner_job_logs", refusal, "refused", "P0001"},
            {"commit refused", true, "provisioner_jobs", refusal, "refused", "P0001", true},
            {"completion taken back", true, "provisioner_jobs", "new.completed_at = NULL; RETURN new",
             notWhole, "22P02"},
            {"error swallowed", true, "provisioner_jobs", "new.error = NULL; RETURN new", notWhole, "22P02"},
            {"log swallowed", true, "provisioner_job_logs", "RETURN NULL", notWhole, "22P02"},
            {"state swallowed", true, "workspace_builds", "RETURN NULL", notWhole, "22P02"},
            {"state reset", true, "workspace_builds", "new.provisioner_state = NULL; RETURN new", notWhole,
             "22P02"},
            {"job kept as it is", true, "provisioner_jobs", "RETURN NULL",
             "a trigger in the database prevents the update of the job", ""},
        };
        forEachRow<Row>(rows, [&](const Row& row) {
            startOver();
            const std::string workspace = Sim::JobDatabase::newId();
            addFinishedBuild(workspace, 1, "a state");
            const std::string bad =
                row.hasBuild ? addHungBuild(workspace, 2) : database().addJob({.type = "workspace_build"});
            const std::vector<std::string> others = addHungJobs(9);
            RememberedJobs jobs(connectionString(), {});
            jobs.remember();
            if (!row.table.empty())
                interfere(row.table, bad, row.trigger, row.isAtCommit);

            const RunStatistics statistics = run();
            CPPUNIT_ASSERT_EQUAL(1, statistics.failed);
            // One bad job does not make the detector run more often.
            CPPUNIT_ASSERT(!statistics.pause);
            CPPUNIT_ASSERT_EQUAL(0, posted().failedAsBefore);
            CPPUNIT_ASSERT_EQUAL(1, run().failed);
            CPPUNIT_ASSERT_EQUAL(1, posted().failedAsBefore);
            CPPUNIT_ASSERT_EQUAL(std::size_t{2}, posted().failed.size());
            for (const Termination& answer : posted().failed) {
                CPPUNIT_ASSERT_EQUAL(bad, answer.jobId);
                CPPUNIT_ASSERT(answer.error.size() <= longestText);
                CPPUNIT_ASSERT_MESSAGE(answer.error,
                                       answer.error.ends_with(row.error == notWhole ? bad + '"' : row.error));
                CPPUNIT_ASSERT_EQUAL(row.sqlState, answer.sqlState);
            }
            CPPUNIT_ASSERT_EQUAL(others.size(), statistics.terminated.size());
            CPPUNIT_ASSERT(jobs.terminatedCompletely() == std::set(others.begin(), others.end()));
        });
    }

    TEST(tellsOnceWhoHasLockedAJobForAnHour)
    {
        Termination job;
        job.jobId = addHungJob();
        job.outcome = Outcome::locked;
        JobStore store(ConnectionString::parse(connectionString(detectorRole)), patience);
        store.open({});
        Poco::NotificationCenter center;
        const PostedNotifications told(center);
        LockedJobs jobs(center);
        const auto start = LockedJobs::Clock::now();
        const auto answerAndReport = [&](std::chrono::minutes after) {
            jobs.answered(job, start + after);
            jobs.report(store, start + after);
        };
        std::optional<OpenTransaction> holder;
        holder.emplace(connectionString() + " application_name=greedy",
                       "SELECT pg_advisory_xact_lock(" + std::to_string(advisoryLockKey(job.jobId)) + ')');
        CPPUNIT_ASSERT_EQUAL(1, run().locked);
        for (const auto after : {0min, 59min, 60min, 61min})
            answerAndReport(after);
        std::vector<std::string> expected{job.jobId + " for 3600 s by postgres greedy"};
        CPPUNIT_ASSERT_EQUAL(expected, told.lockedLong);

        // It was free in between, and its row is locked now.
        holder.reset();
        job.outcome = Outcome::reported;
        answerAndReport(62min);
        job.outcome = Outcome::locked;
        for (const auto after : {63min, 122min, 124min})
            answerAndReport(after);
        expected.push_back(job.jobId + " for 3660 s by somebody");
        CPPUNIT_ASSERT_EQUAL(expected, told.lockedLong);
    }

    void interfere(const std::string& table, const std::string& job, const std::string& how, bool isAtCommit)
    {
        database().execute("CREATE FUNCTION interfere() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN " + how +
                           "; END$$");
        database().execute(std::string("CREATE ") +
                           (isAtCommit ? "CONSTRAINT TRIGGER interfere AFTER" : "TRIGGER interfere BEFORE") +
                           " INSERT OR UPDATE ON " + table +
                           (isAtCommit ? " DEFERRABLE INITIALLY DEFERRED" : "") + " FOR EACH ROW WHEN (new." +
                           (table == "provisioner_jobs" ? "id" : "job_id") + " = '" + job +
                           "') EXECUTE FUNCTION interfere()");
    }

    TEST(terminatesTheOthersWhateverErrorTheJobBringsAbout)
    {
        struct Row
        {
            std::string name;
            const char* how;
            std::chrono::seconds runTimeout = Settings().runTimeout;
        };
        const std::vector<Row> rows{{"takes too long", "PERFORM pg_sleep(600)", 2s},
                                    {"ends the session", "PERFORM pg_terminate_backend(pg_backend_pid())"},
                                    // One that every job meets, as a rule.
                                    {"42501", "RAISE EXCEPTION 'not this one' USING ERRCODE = '42501'"}};
        forEachRow(rows, [this](const Row& row) {
            forgetDetector();
            settings().runTimeout = row.runTimeout;
            expectOthersTerminated(row.how);
            if (row.name == "42501")
                expectReported("42501", "not this one");
            // It is tried again.
            refuseNoMore(database());
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, run().terminated.size());
        });
    }

    void expectReported(const std::string& sqlState, const std::string& error)
    {
        addHungJob();
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, statistics.terminated.size());
        CPPUNIT_ASSERT_EQUAL(1, statistics.failed);
        CPPUNIT_ASSERT_EQUAL(sqlState, posted().failed.back().sqlState);
        CPPUNIT_ASSERT_EQUAL(error, posted().failed.back().error);
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
        CPPUNIT_ASSERT_EQUAL(before, jobRow(refused));
        CPPUNIT_ASSERT(database().logs(refused).empty());
    }

    TEST(terminatesTwiceAtMostWhatATriggerTakesBack)
    /// After the termination, so that the statement does not see it.
    {
        const std::string job = addHungJob();
        database().execute("CREATE FUNCTION take_back() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
                           "UPDATE provisioner_jobs SET completed_at = NULL, updated_at = old.updated_at "
                           "WHERE id = new.id; RETURN NULL; END$$");
        database().execute("CREATE TRIGGER take_back AFTER UPDATE ON provisioner_jobs FOR EACH ROW "
                           "WHEN (new.completed_at IS NOT NULL) EXECUTE FUNCTION take_back()");
        for (int i = 0; i < 2; ++i)
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, run().terminated.size());
        for (int i = 0; i < 2; ++i)
            CPPUNIT_ASSERT_EQUAL(1, run().failed);
        CPPUNIT_ASSERT_EQUAL(std::size_t{10}, database().logs(job).size());
        CPPUNIT_ASSERT_EQUAL(1, posted().failedAsBefore);
        const std::string& error = posted().failed.front().error;
        CPPUNIT_ASSERT_MESSAGE(error, error.find("look for a trigger") != std::string::npos);
    }

    TEST(givesThePlacesOfARunToTheOthersFirst)
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

    TEST(givesAFailedJobThePlacesThatAreLeft)
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
};

} // namespace HangDetection::Test
