#include "DatabaseFixture.h"
#include "OpenTransaction.h"
#include "RememberedJobs.h"
#include "Rows.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class ConcurrencyTest : public DatabaseFixture
/// Workers, Coder servers and other detectors work on the same jobs.
{
    TEST_SUITE(ConcurrencyTest);

    enum class Kind
    {
        hung,
        pending,
        build /// hung, whose previous build has a state
    };

    static constexpr const char* id = "11111111-2222-4333-8444-555555555555";
    /// Of the job that a test is about.

    std::string add(Kind kind)
    {
        const Sim::JobRow hung{.id = id};
        switch (kind) {
        case Kind::hung:
            break;
        case Kind::pending:
            settings().pendingJobDuration = 30min;
            return database().addJob({.id = id, .startedAgo = std::nullopt, .updatedAgo = "31 minutes"});
        case Kind::build:
            const std::string workspace = Sim::JobDatabase::newId();
            addFinishedBuild(workspace, 1, "a state");
            return database().addBuildJob(hung, {.jobId = "", .workspaceId = workspace, .buildNumber = 2});
        }
        return database().addJob(hung);
    }

    static std::string update(const std::string& columns)
    {
        return "UPDATE provisioner_jobs SET " + columns + " WHERE id = '" + id + "'";
    }

    const std::string heartbeat = update("updated_at = now()");
    const std::string start = update("started_at = now(), updated_at = now()");
    const std::string completion = update("completed_at = now()");
    /// As of a worker that comes too late: the heartbeat is as old as before.
    const std::string deletion = std::string("DELETE FROM provisioner_jobs WHERE id = '") + id + "'";

    TEST(skipsAJobThatIsLocked)
    /// And terminates the others. The job is terminated as any other when the lock is gone.
    {
        struct Row
        {
            const char* name;
            Kind kind;
            std::string lock;
        };
        // The key is what a Coder server computes for the id, not what our own code does.
        const std::string advisoryLock = "SELECT pg_advisory_xact_lock(-5151004368403232505)";
        const std::vector<Row> rows{
            {"advisory lock", Kind::hung, advisoryLock},
            {"heartbeat", Kind::hung, heartbeat},
            {"lock on the build", Kind::build,
             "SELECT FROM workspace_builds WHERE build_number = 2 FOR UPDATE"},
        };
        forEachRow<Row>(rows, [this](const Row& row) {
            startOver();
            const std::string job = add(row.kind);
            addHungJobs(others);
            RememberedJobs jobs(connectionString(), {});
            jobs.remember();
            OpenTransaction other(connectionString(), row.lock);
            CPPUNIT_ASSERT_EQUAL(std::int64_t{others + 1}, run().jobs.backlog());
            expectSkipped(job, Outcome::locked);
            CPPUNIT_ASSERT(!jobs.terminatedCompletely().contains(job));

            other.rollBack();
            CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
            CPPUNIT_ASSERT(jobs.terminatedCompletely().contains(job));
        });
    }

    TEST(leavesAJobAloneThatChangesMeanwhile)
    /// After the search, or at the last moment, during the termination. And terminates the others.
    {
        struct Row
        {
            const char* name;
            Kind kind;
            bool isAtLastMoment;
            std::string change;
            Outcome outcome;
            Text isLeft;
            /// What the change made of the job.
        };
        const std::vector<Row> rows{
            {"is deleted", Kind::hung, false, deletion, Outcome::missing, std::nullopt},
            {"is touched", Kind::pending, false, heartbeat, Outcome::notStarted, "waiting"},
            {"reports at the last moment", Kind::hung, true, heartbeat, Outcome::reported, "running"},
            {"completes at the last moment", Kind::hung, true, completion, Outcome::completed, "completed"},
            {"starts at the last moment", Kind::pending, true, start, Outcome::reported, "running"},
            // The statement still sees the row, but cannot get it: that looks like a lock.
            {"is deleted at the last moment", Kind::hung, true, deletion, Outcome::locked, std::nullopt},
        };
        forEachRow<Row>(rows, [this](const Row& row) {
            startOver();
            const std::string job = add(row.kind);
            addHungJobs(others);
            if (row.isAtLastMoment)
                runAndDuringTheTermination(row.change);
            else
                runAndAfterTheSearch([&](OpenTransaction& other) { other.execute(row.change); });
            expectSkipped(job, row.outcome);
            CPPUNIT_ASSERT_EQUAL(row.isLeft, jobColumn(job, "coalesce(error, CASE"
                                                            " WHEN completed_at IS NOT NULL THEN 'completed'"
                                                            " WHEN started_at IS NOT NULL THEN 'running'"
                                                            " ELSE 'waiting' END)"));
        });
    }

    static constexpr int others = 4;

    void expectSkipped(const std::string& job, Outcome outcome)
    /// In the one run that there was, which terminated the others.
    {
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().skipped.size());
        CPPUNIT_ASSERT_EQUAL(job, posted().skipped.front().jobId);
        CPPUNIT_ASSERT_EQUAL(outcome, posted().skipped.front().outcome);
        const RunStatistics& statistics = posted().finished.back();
        CPPUNIT_ASSERT_EQUAL(std::size_t{others}, statistics.terminated.size());
        CPPUNIT_ASSERT_EQUAL(outcome == Outcome::locked ? 1 : 0, statistics.locked);
        CPPUNIT_ASSERT_EQUAL(1, statistics.locked + statistics.ineligible);
        CPPUNIT_ASSERT_EQUAL(0, statistics.failed);
        CPPUNIT_ASSERT(database().logs(job).empty());
    }

    TEST(terminatesBesideWritesToItsLogAndToThePreviousBuild)
    {
        // The foreign key of the log line takes FOR KEY SHARE on the job.
        const std::string job = add(Kind::build);
        OpenTransaction worker(
            connectionString(),
            "INSERT INTO provisioner_job_logs (job_id, created_at, source, level, stage, output)"
            " VALUES ('" +
                job + "', now(), 'provisioner', 'info', 'Planning', 'not yet committed')");
        worker.execute("UPDATE workspace_builds SET daily_cost = 1 WHERE build_number = 1");
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        worker.commit();
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(std::size_t{6}, database().logs(job).size());
        CPPUNIT_ASSERT_EQUAL(Text("a state"), buildState(job));
    }

    TEST(terminatesAJobThatChangesDuringTheTerminationAndIsStillHung)
    {
        // The statement meets a row that is newer than its snapshot, and must use the newer one.
        const std::string job = add(Kind::hung);
        database().execute(update("updated_at = now() - interval '1 hour'"));
        Sim::NotificationListener listener(connectionString());
        listener.follow(job);
        const RunStatistics statistics =
            runAndDuringTheTermination(update("canceled_at = now(), worker_id = NULL"));
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, statistics.terminated);
        CPPUNIT_ASSERT_EQUAL(0, statistics.locked + statistics.ineligible + statistics.failed);
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT(jobColumn(job, "canceled_at"));
        CPPUNIT_ASSERT_EQUAL(Text(), jobColumn(job, "worker_id"));
        CPPUNIT_ASSERT_EQUAL(jobColumn(job, "completed_at"), jobColumn(job, "updated_at"));
        const auto silent = posted().terminated.at(0).silent;
        CPPUNIT_ASSERT(silent >= 1h && silent < 1h + patience);
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, database().logs(job).size());
        CPPUNIT_ASSERT_EQUAL(job, listener.next(patience).value().jobId);
    }

    TEST(goesByABuildThatChangesDuringTheTermination)
    {
        struct Row
        {
            const char* name;
            BuildState answer;
            Text state;
        };
        const std::vector<Row> rows{{"provisioner_state = 'its own'", BuildState::kept, "its own"},
                                    {"daily_cost = 7", BuildState::copied, "a state"}};
        forEachRow<Row>(rows, [this](const Row& row) {
            startOver();
            const std::string job = add(Kind::build);
            const std::string change = std::string("UPDATE workspace_builds SET ") + row.name;
            runAndDuringTheTermination(change + " WHERE build_number = 2");
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().terminated.size());
            CPPUNIT_ASSERT_EQUAL(row.answer, posted().terminated.front().state);
            CPPUNIT_ASSERT(isCompleted(job));
            CPPUNIT_ASSERT_EQUAL(row.state, buildState(job));
            CPPUNIT_ASSERT_EQUAL(Text(row.answer == BuildState::copied ? "7" : "0"),
                                 buildColumn(job, "daily_cost"));
        });
    }

    TEST(releasesItsLocksAfterARun)
    {
        addHungJob();
        run();
        CPPUNIT_ASSERT(
            database().isTrue("SELECT NOT EXISTS (SELECT FROM pg_locks JOIN pg_database d ON d.oid ="
                              " database WHERE datname = $1 AND pid <> pg_backend_pid())",
                              databaseName()));
    }

    RunStatistics runAndAfterTheSearch(const std::function<void(OpenTransaction&)>& meanwhile)
    /// A run that finds its jobs, and comes to terminate them after something has
    /// happened: the search does not read the logs, which this keeps locked meanwhile.
    {
        OpenTransaction gate(connectionString(),
                             "LOCK TABLE provisioner_job_logs IN SHARE ROW EXCLUSIVE MODE");
        auto running = std::async(std::launch::async, [this] { return run(); });
        awaitWaitingFor("Lock");
        meanwhile(gate);
        gate.commit();
        return running.get();
    }

    RunStatistics runAndDuringTheTermination(const std::string& sql)
    /// A run in which something is committed after the terminating statement has
    /// begun, so that the statement's snapshot is older, and before it locks the row.
    /// For this, the function that takes the advisory lock is replaced by a slow one.
    {
        database().execute("CREATE SCHEMA slow");
        database().execute("GRANT USAGE ON SCHEMA slow TO public");
        database().execute("CREATE FUNCTION slow.pg_try_advisory_xact_lock(lock_key bigint) RETURNS boolean"
                           " LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(1);"
                           " RETURN pg_catalog.pg_try_advisory_xact_lock(lock_key); END'");
        settings().connection = ConnectionString::parse(connectionString(detectorRole) +
                                                        " options='-c search_path=slow,pg_catalog,public'");
        OpenTransaction gate(connectionString(), "SELECT pg_advisory_xact_lock(1)");
        auto running = std::async(std::launch::async, [this] { return run(); });
        awaitWaitingFor("Lock");
        gate.execute(sql);
        gate.commit();
        return running.get();
    }
};

} // namespace HangDetection::Test
