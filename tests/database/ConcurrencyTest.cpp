#include "ContractTexts.h"
#include "DatabaseFixture.h"
#include "OpenTransaction.h"

#include <algorithm>
#include <functional>
#include <future>
#include <latch>
#include <set>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class ConcurrencyTest : public DatabaseFixture
/// Workers, servers and other detectors that are at work on the same jobs.
{
    CPPUNIT_TEST_SUITE(ConcurrencyTest);
    CPPUNIT_TEST(skipsAJobWhoseAdvisoryLockIsHeld);
    CPPUNIT_TEST(skipsAJobWhoseRowIsLocked);
    CPPUNIT_TEST(skipsAJobThatIsBeingUpdated);
    CPPUNIT_TEST(skipsAJobWhoseBuildIsLocked);
    CPPUNIT_TEST(terminatesTheOthersBesideALockedJob);
    CPPUNIT_TEST(terminatesAJobWhoseLogIsBeingWritten);
    CPPUNIT_TEST(releasesItsLocksAfterARun);
    CPPUNIT_TEST(leavesAJobAloneThatReportsAfterTheSearch);
    CPPUNIT_TEST(leavesAJobAloneThatCompletesAfterTheSearch);
    CPPUNIT_TEST(leavesAJobAloneThatIsTakenBackAfterTheSearch);
    CPPUNIT_TEST(leavesAPendingJobAloneThatIsStartedAfterTheSearch);
    CPPUNIT_TEST(leavesAPendingJobAloneThatIsTouchedAfterTheSearch);
    CPPUNIT_TEST(terminatesAPendingJobThatIsHungAfterTheSearch);
    CPPUNIT_TEST(skipsAPendingJobWhoseAdvisoryLockIsHeld);
    CPPUNIT_TEST(skipsAPendingJobThatIsBeingStarted);
    CPPUNIT_TEST(leavesAPendingJobAloneThatIsStartedDuringTheTermination);
    CPPUNIT_TEST(doesWithoutAJobThatIsDeletedAfterTheSearch);
    CPPUNIT_TEST(skipsAJobThatIsBeingReportedAfterTheSearch);
    CPPUNIT_TEST(skipsAJobThatIsBeingCompletedAfterTheSearch);
    CPPUNIT_TEST(terminatesTheOthersBesideAJobThatReportsAfterTheSearch);
    CPPUNIT_TEST(leavesAJobAloneThatReportsDuringTheTermination);
    CPPUNIT_TEST(leavesAJobAloneThatCompletesDuringTheTermination);
    CPPUNIT_TEST(doesWithoutAJobThatIsDeletedDuringTheTermination);
    CPPUNIT_TEST(terminatesAJobThatChangesDuringTheTerminationAndIsStillHung);
    CPPUNIT_TEST(keepsAStateThatIsWrittenDuringTheTermination);
    CPPUNIT_TEST(copiesTheStateOfABuildThatChangesDuringTheTermination);
    CPPUNIT_TEST(sharesTheJobsWithAnotherDetector);
    CPPUNIT_TEST_SUITE_END();

    void skipsAJobWhoseAdvisoryLockIsHeld()
    {
        // The key is what a Coder server computes for this id, not what our own code does.
        const std::string job = database().addJob({.id = "11111111-2222-4333-8444-555555555555"});
        expectSkippedWhile("SELECT pg_advisory_xact_lock(-5151004368403232505)", job);
    }

    void skipsAJobWhoseRowIsLocked()
    {
        const std::string job = addHungJob();
        expectSkippedWhile("SELECT id FROM provisioner_jobs WHERE id = '" + job + "' FOR UPDATE", job);
    }

    void skipsAJobThatIsBeingUpdated()
    {
        const std::string job = addHungJob();
        expectSkippedWhile(heartbeatOf(job), job);
    }

    void skipsAJobWhoseBuildIsLocked()
    {
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        const std::string job = addHungBuild(workspace, 2);
        const Text build = buildRow(job);
        expectSkippedWhile("SELECT id FROM workspace_builds WHERE job_id = '" + job + "' FOR UPDATE", job);
        CPPUNIT_ASSERT(build != buildRow(job));
    }

    void terminatesTheOthersBesideALockedJob()
    {
        const std::string locked = addHungJob();
        addHungJobs(4);
        const OpenTransaction other(connectionString(), heartbeatOf(locked));
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, statistics.terminated.size());
        CPPUNIT_ASSERT_EQUAL(1, statistics.locked);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{5}, statistics.jobs.hung);
        CPPUNIT_ASSERT(!isCompleted(locked));
    }

    void terminatesAJobWhoseLogIsBeingWritten()
    {
        // The foreign key of the log line takes FOR KEY SHARE on the job.
        const std::string job = addHungJob();
        OpenTransaction worker(
            connectionString(),
            "INSERT INTO provisioner_job_logs (job_id, created_at, source, level, stage, output)"
            " VALUES ('" +
                job + "', now(), 'provisioner', 'info', 'Planning', 'not yet committed')");
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        worker.commit();
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(std::size_t{6}, database().logs(job).size());
    }

    void releasesItsLocksAfterARun()
    {
        const std::string job = addHungJob();
        run();
        CPPUNIT_ASSERT(
            database().isTrue("SELECT NOT EXISTS (SELECT FROM pg_locks JOIN pg_database d ON d.oid ="
                              " database WHERE datname = $1 AND pid <> pg_backend_pid())",
                              databaseName()));
    }

    void leavesAJobAloneThatReportsAfterTheSearch()
    {
        const std::string job = addHungJob();
        runAndAfterTheSearch([&](OpenTransaction& other) { other.execute(heartbeatOf(job)); });
        expectIneligible(job, Outcome::reported);
        CPPUNIT_ASSERT(!isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(Text(), jobColumn(job, "error"));
    }

    void leavesAJobAloneThatCompletesAfterTheSearch()
    {
        const std::string job = addHungJob();
        runAndAfterTheSearch([&](OpenTransaction& other) { other.execute(completionOf(job)); });
        expectIneligible(job, Outcome::completed);
        CPPUNIT_ASSERT_EQUAL(Text(), jobColumn(job, "error"));
    }

    void leavesAJobAloneThatIsTakenBackAfterTheSearch()
    {
        const std::string job = addHungJob();
        runAndAfterTheSearch([&](OpenTransaction& other) {
            other.execute("UPDATE provisioner_jobs SET started_at = NULL WHERE id = '" + job + "'");
        });
        expectIneligible(job, Outcome::notStarted);
        CPPUNIT_ASSERT(!isCompleted(job));
    }

    void leavesAPendingJobAloneThatIsStartedAfterTheSearch()
    {
        const std::string job = addPendingJob();
        runAndAfterTheSearch([&](OpenTransaction& other) { other.execute(startOf(job)); });
        expectIneligible(job, Outcome::reported);
        CPPUNIT_ASSERT(!isCompleted(job));
    }

    void leavesAPendingJobAloneThatIsTouchedAfterTheSearch()
    {
        const std::string job = addPendingJob();
        runAndAfterTheSearch([&](OpenTransaction& other) { other.execute(heartbeatOf(job)); });
        expectIneligible(job, Outcome::notStarted);
        CPPUNIT_ASSERT(!isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(Text(), jobColumn(job, "started_at"));
    }

    void terminatesAPendingJobThatIsHungAfterTheSearch()
    {
        // What it was when it was found does not matter.
        const std::string job = addPendingJob();
        runAndAfterTheSearch([&](OpenTransaction& other) {
            other.execute("UPDATE provisioner_jobs SET started_at = now() - interval '10 minutes'"
                          " WHERE id = '" +
                          job + "'");
        });
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().terminated.size());
        CPPUNIT_ASSERT_EQUAL(Reason::hung, posted().terminated.front().reason);
        CPPUNIT_ASSERT_EQUAL(Text(Sim::ContractTexts().error()), jobColumn(job, "error"));
    }

    void skipsAPendingJobWhoseAdvisoryLockIsHeld()
    {
        const std::string job = addPendingJob("11111111-2222-4333-8444-555555555555");
        expectSkippedWhile("SELECT pg_advisory_xact_lock(-5151004368403232505)", job);
    }

    void skipsAPendingJobThatIsBeingStarted()
    {
        const std::string job = addPendingJob();
        expectSkippedWhile(startOf(job), job);
    }

    void leavesAPendingJobAloneThatIsStartedDuringTheTermination()
    {
        const std::string job = addPendingJob();
        runAndDuringTheTermination(startOf(job));
        expectIneligible(job, Outcome::reported);
        CPPUNIT_ASSERT(!isCompleted(job));
    }

    void doesWithoutAJobThatIsDeletedAfterTheSearch()
    {
        const std::string job = addHungJob();
        runAndAfterTheSearch([&](OpenTransaction& other) { other.execute(deletionOf(job)); });
        expectIneligible(job, Outcome::missing);
        CPPUNIT_ASSERT_EQUAL(Text(), jobRow(job));
    }

    void skipsAJobThatIsBeingReportedAfterTheSearch()
    {
        const std::string job = addHungJob();
        const Text before = jobRow(job);
        OpenTransaction worker(connectionString(), heartbeatOf(job));
        runAndAfterTheSearch([](OpenTransaction&) {});
        expectSkippedAsLocked(job);
        worker.rollBack();
        CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
    }

    void skipsAJobThatIsBeingCompletedAfterTheSearch()
    {
        const std::string job = addHungJob();
        std::optional<OpenTransaction> worker;
        runAndAfterTheSearch(
            [&](OpenTransaction&) { worker.emplace(connectionString(), completionOf(job)); });
        expectSkippedAsLocked(job);
        worker->commit();
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, run().jobs.hung);
        CPPUNIT_ASSERT_EQUAL(Text(), jobColumn(job, "error"));
        CPPUNIT_ASSERT(database().logs(job).empty());
    }

    void terminatesTheOthersBesideAJobThatReportsAfterTheSearch()
    {
        const std::string reporting = addHungJob();
        addHungJobs(4);
        const RunStatistics statistics =
            runAndAfterTheSearch([&](OpenTransaction& other) { other.execute(heartbeatOf(reporting)); });
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, statistics.terminated.size());
        CPPUNIT_ASSERT_EQUAL(1, statistics.ineligible);
        CPPUNIT_ASSERT(!isCompleted(reporting));
    }

    void leavesAJobAloneThatReportsDuringTheTermination()
    {
        const std::string job = addHungJob();
        runAndDuringTheTermination(heartbeatOf(job));
        expectIneligible(job, Outcome::reported);
        CPPUNIT_ASSERT(!isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(Text(), jobColumn(job, "error"));
    }

    void leavesAJobAloneThatCompletesDuringTheTermination()
    {
        const std::string job = addHungJob();
        runAndDuringTheTermination(completionOf(job));
        expectIneligible(job, Outcome::completed);
        CPPUNIT_ASSERT_EQUAL(Text(), jobColumn(job, "error"));
    }

    void doesWithoutAJobThatIsDeletedDuringTheTermination()
    {
        // The statement still sees the row, but cannot get it: that looks like a lock.
        const std::string job = addHungJob();
        runAndDuringTheTermination(deletionOf(job));
        expectSkippedAsLocked(job);
        CPPUNIT_ASSERT_EQUAL(Text(), jobRow(job));
    }

    void terminatesAJobThatChangesDuringTheTerminationAndIsStillHung()
    {
        // The statement meets a row that is newer than its snapshot, and has to go by the newer one.
        const std::string job = database().addJob({.updatedAgo = "1 hour"});
        Sim::NotificationListener listener(connectionString());
        listener.follow(job);
        const RunStatistics statistics = runAndDuringTheTermination(
            "UPDATE provisioner_jobs SET canceled_at = now(), worker_id = NULL WHERE id = '" + job + "'");
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
        expectNotFoundAgain(job);
        expectNothingReceived(listener, job);
    }

    void keepsAStateThatIsWrittenDuringTheTermination()
    {
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        const std::string job = addHungBuild(workspace, 2);
        runAndDuringTheTermination("UPDATE workspace_builds SET provisioner_state = 'its own' WHERE job_id ="
                                   " '" +
                                   job + "'");
        expectTerminatedBuild(job, BuildState::kept, "its own");
    }

    void copiesTheStateOfABuildThatChangesDuringTheTermination()
    {
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        const std::string job = addHungBuild(workspace, 2);
        runAndDuringTheTermination("UPDATE workspace_builds SET daily_cost = 7 WHERE job_id = '" + job + "'");
        expectTerminatedBuild(job, BuildState::copied, "a state");
        CPPUNIT_ASSERT_EQUAL(Text("7"), buildColumn(job, "daily_cost"));
    }

    void sharesTheJobsWithAnotherDetector()
    {
        constexpr int jobCount = 200;
        settings().maxJobsPerRun = jobCount;
        settings().massHangRatio = 0;
        const std::vector<std::string> jobs = addHungJobs(jobCount);
        Sim::NotificationListener listener(connectionString());
        for (const std::string& job : jobs)
            listener.follow(job);

        // Both are connected, and so begin their first search at the same moment.
        Poco::NotificationCenter otherNotifications;
        HangDetector other(settings(), otherNotifications, nullptr, 0ms);
        std::latch start(2);
        auto otherTerminated = std::async(std::launch::async, [&] { return terminateAll(other, start); });
        std::vector<JobId> terminated = terminateAll(detector(), start);
        const std::vector<JobId> byOther = otherTerminated.get();
        terminated.insert(terminated.end(), byOther.begin(), byOther.end());

        CPPUNIT_ASSERT_EQUAL(jobs.size(), terminated.size());
        CPPUNIT_ASSERT(std::set(jobs.begin(), jobs.end()) == std::set(terminated.begin(), terminated.end()));
        CPPUNIT_ASSERT(
            database().isTrue("SELECT count(*) = 0 FROM provisioner_jobs j WHERE 5 <>"
                              " (SELECT count(*) FROM provisioner_job_logs l WHERE l.job_id = j.id)"
                              " AND $1 = ''",
                              ""));
        std::multiset<std::string> notified;
        for (int i = 0; i < jobCount; ++i) {
            const auto notification = listener.next(patience);
            CPPUNIT_ASSERT(notification);
            notified.insert(notification->jobId);
        }
        CPPUNIT_ASSERT(std::multiset<std::string>(jobs.begin(), jobs.end()) == notified);
        expectNothingReceived(listener, jobs.front());
    }

    static std::vector<JobId> terminateAll(HangDetector& detector, std::latch& start)
    {
        std::vector<JobId> terminated;
        start.arrive_and_wait();
        const auto until = std::chrono::steady_clock::now() + patience;
        while (true) {
            CPPUNIT_ASSERT(std::chrono::steady_clock::now() < until);
            const RunStatistics statistics = detector.run({});
            CPPUNIT_ASSERT(!statistics.error);
            CPPUNIT_ASSERT_EQUAL(0, statistics.failed);
            if (statistics.jobs.hung == 0 && !statistics.isUnsure)
                return terminated;
            terminated.insert(terminated.end(), statistics.terminated.begin(), statistics.terminated.end());
        }
    }

    static std::string heartbeatOf(const std::string& job)
    {
        return "UPDATE provisioner_jobs SET updated_at = now() WHERE id = '" + job + "'";
    }

    std::string addPendingJob(const std::string& id = "")
    {
        settings().pendingJobDuration = 30min;
        return database().addJob({.id = id, .startedAgo = std::nullopt, .updatedAgo = "31 minutes"});
    }

    static std::string startOf(const std::string& job)
    {
        return "UPDATE provisioner_jobs SET started_at = now(), updated_at = now() WHERE id = '" + job + "'";
    }

    static std::string completionOf(const std::string& job)
    {
        // As a worker does that comes too late: the heartbeat is as old as before.
        return "UPDATE provisioner_jobs SET completed_at = now() WHERE id = '" + job + "'";
    }

    static std::string deletionOf(const std::string& job)
    {
        return "DELETE FROM provisioner_jobs WHERE id = '" + job + "'";
    }

    void expectSkippedWhile(const std::string& lockingSql, const std::string& job)
    /// A lock held by somebody else protects the job, and nothing but the job; then it
    /// is terminated as any other.
    {
        const Text before = jobRow(job);
        OpenTransaction other(connectionString(), lockingSql);
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT(statistics.terminated.empty());
        CPPUNIT_ASSERT_EQUAL(1, statistics.locked);
        CPPUNIT_ASSERT_EQUAL(0, statistics.failed + statistics.ineligible);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{1}, statistics.jobs.backlog());
        expectSkippedAsLocked(job);
        CPPUNIT_ASSERT_EQUAL(before, jobRow(job));

        other.rollBack();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        CPPUNIT_ASSERT(isCompleted(job));
    }

    RunStatistics runAndAfterTheSearch(const std::function<void(OpenTransaction&)>& meanwhile)
    /// A run that finds its jobs, and comes to terminate them after something has
    /// happened: the search does not read the logs, which this keeps locked meanwhile.
    {
        OpenTransaction gate(connectionString(),
                             "LOCK TABLE provisioner_job_logs IN SHARE ROW EXCLUSIVE MODE");
        auto running = std::async(std::launch::async, [this] { return run(); });
        awaitWaitingForLock();
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
        awaitWaitingForLock();
        gate.execute(sql);
        gate.commit();
        return running.get();
    }

    void expectNotFoundAgain(const std::string& job)
    {
        const Text before = jobRow(job);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, run().jobs.hung);
        CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().terminated.size());
    }

    void expectTerminatedBuild(const std::string& job, BuildState state, const std::string& text)
    {
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().terminated.size());
        CPPUNIT_ASSERT_EQUAL(state, posted().terminated.front().state);
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(Text(text), buildState(job));
    }

    void expectIneligible(const std::string& job, Outcome outcome)
    {
        expectSkipped(job, outcome);
        CPPUNIT_ASSERT_EQUAL(1, posted().finished.back().ineligible);
        CPPUNIT_ASSERT_EQUAL(0, posted().finished.back().locked);
    }

    void expectSkippedAsLocked(const std::string& job)
    {
        expectSkipped(job, Outcome::locked);
        CPPUNIT_ASSERT_EQUAL(1, posted().finished.back().locked);
        CPPUNIT_ASSERT_EQUAL(0, posted().finished.back().ineligible);
    }

    void expectSkipped(const std::string& job, Outcome outcome)
    {
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().skipped.size());
        CPPUNIT_ASSERT_EQUAL(job, posted().skipped.front().jobId);
        CPPUNIT_ASSERT_EQUAL(outcome, posted().skipped.front().outcome);
        CPPUNIT_ASSERT(posted().terminated.empty());
        CPPUNIT_ASSERT(database().logs(job).empty());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ConcurrencyTest);

} // namespace HangDetection::Test
