#include "DatabaseFixture.h"
#include "OpenTransaction.h"
#include "RememberedJobs.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class DryRunTest : public DatabaseFixture
/// With DryRun everything is decided and posted, and nothing is changed.
{
public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        settings().dryRun = true;
    }

    TEST_SUITE(DryRunTest);

    TEST(saysWhatATerminationAnswersInEveryStateOfAJob)
    {
        JobStore store(settings().connection, 60s);
        store.open({});
        std::set<std::pair<Reason, Outcome>> states;
        for (const std::chrono::seconds pending : {0s, 1800s}) {
            std::vector<SeenJob> jobs = seen(addJobsInEveryState());
            jobs.push_back({Sim::JobDatabase::newId(), "epoch"}); // deleted
            const Thresholds thresholds{.hung = 300s, .pending = pending};
            std::map<JobId, Termination> previews;
            for (const Termination& preview : store.preview(jobs, thresholds))
                previews.emplace(preview.jobId, preview);
            std::vector<Termination> answers;
            store.terminate(jobs, thresholds, [&](const Termination& job) { answers.push_back(job); });
            CPPUNIT_ASSERT_EQUAL(jobs.size(), previews.size());
            CPPUNIT_ASSERT_EQUAL(jobs.size(), answers.size());
            for (const Termination& answer : answers) {
                expectSame(answer, previews.at(answer.jobId));
                states.emplace(answer.reason, answer.outcome);
            }
        }
        const std::set<std::pair<Reason, Outcome>> expected{
            {Reason::hung, Outcome::terminated},    {Reason::hung, Outcome::missing},
            {Reason::hung, Outcome::completed},     {Reason::hung, Outcome::reported},
            {Reason::hung, Outcome::noBuild},       {Reason::pending, Outcome::terminated},
            {Reason::pending, Outcome::notStarted}, {Reason::pending, Outcome::completed},
            {Reason::pending, Outcome::noBuild}};
        CPPUNIT_ASSERT(expected == states);
    }

    TEST(changesNothingAndNotifiesNobody)
    {
        addJobsInEveryState();
        RememberedJobs jobs(connectionString(), {});
        jobs.remember();
        settings().pendingJobDuration = 30min;
        settings().maxJobsPerRun = 10000;
        settings().massHangRatio = 0;
        const std::vector<Text> before = everyRow();
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT(statistics.dryRun);
        CPPUNIT_ASSERT(statistics.terminated.empty());
        CPPUNIT_ASSERT_GREATER(0, statistics.wouldTerminate);
        CPPUNIT_ASSERT_GREATER(0, statistics.failed); // without their builds
        CPPUNIT_ASSERT_EQUAL(static_cast<std::size_t>(statistics.wouldTerminate),
                             posted().wouldBeTerminated.size());
        CPPUNIT_ASSERT(posted().terminated.empty());
        CPPUNIT_ASSERT_EQUAL(before, everyRow());
        CPPUNIT_ASSERT(jobs.terminatedCompletely().empty());
    }

    TEST(waitsForNoLock)
    {
        // Whatever writes or locks a row would wait for this transaction.
        const std::string job = database().addJob({.id = "11111111-2222-4333-8444-555555555555"});
        OpenTransaction other(connectionString(), "LOCK TABLE provisioner_jobs, provisioner_job_logs,"
                                                  " workspace_builds IN EXCLUSIVE MODE");
        other.execute("SELECT pg_advisory_xact_lock(-5151004368403232505)");
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(1, statistics.wouldTerminate);
        CPPUNIT_ASSERT_EQUAL(0, statistics.locked);
        CPPUNIT_ASSERT_EQUAL(job, posted().wouldBeTerminated.front().jobId);
    }

    TEST(tellsAJobOnceUntilItIsSwitchedOff)
    {
        const std::string job = addHungJob();
        for (int i = 0; i < 3; ++i)
            CPPUNIT_ASSERT_EQUAL(1, run().wouldTerminate);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().wouldBeTerminated.size());
        CPPUNIT_ASSERT_EQUAL(job, posted().wouldBeTerminated.front().jobId);
        const OpenTransaction other(connectionString(), "SELECT FROM provisioner_jobs FOR UPDATE");
        change(&Settings::dryRun, false);
        CPPUNIT_ASSERT_EQUAL(1, run().locked);
        change(&Settings::dryRun, true);
        run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, posted().wouldBeTerminated.size());
    }

    TEST(tellsOfEachJobBeforeItTellsOneAgain)
    {
        settings().maxJobsPerRun = 2;
        settings().pendingJobDuration = 30min;
        addHungJobs(7);
        database().addJobs(3, {.startedAgo = std::nullopt, .updatedAgo = "31 minutes"});
        for (int i = 0; i < 5; ++i)
            CPPUNIT_ASSERT_EQUAL(2, run().wouldTerminate);
        std::set<JobId> told;
        for (const Termination& job : posted().wouldBeTerminated)
            told.insert(job.jobId);
        CPPUNIT_ASSERT_EQUAL(std::size_t{10}, told.size());
    }

    TEST(tellsAMassHangThatWouldHold)
    {
        addHungJobs(21);
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT(statistics.held);
        CPPUNIT_ASSERT_EQUAL(0, statistics.wouldTerminate);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().massHangBegan.size());
        CPPUNIT_ASSERT(posted().wouldBeTerminated.empty());
    }

    TEST(leavesABacklogUntilItIsSwitchedOff)
    /// And runs no more often for it.
    {
        addHungJobs(15);
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(std::int64_t{5}, statistics.left);
        CPPUNIT_ASSERT(!statistics.pause);
        CPPUNIT_ASSERT_EQUAL(std::size_t{10}, posted().wouldBeTerminated.size());
        change(&Settings::dryRun, false);
        CPPUNIT_ASSERT_EQUAL(std::size_t{10}, run().terminated.size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, run().terminated.size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{15}, posted().terminated.size());
    }

    static void expectSame(const Termination& answer, const Termination& preview)
    {
        CPPUNIT_ASSERT_EQUAL_MESSAGE(answer.jobId, answer.outcome, preview.outcome);
        CPPUNIT_ASSERT_EQUAL(answer.reason, preview.reason);
        CPPUNIT_ASSERT_EQUAL(answer.type, preview.type);
        CPPUNIT_ASSERT_EQUAL(answer.stage, preview.stage);
        CPPUNIT_ASSERT_EQUAL(answer.workspaceId, preview.workspaceId);
        CPPUNIT_ASSERT_EQUAL(answer.buildNumber, preview.buildNumber);
        CPPUNIT_ASSERT_EQUAL(answer.state, preview.state);
        CPPUNIT_ASSERT_EQUAL(answer.error, preview.error);
        CPPUNIT_ASSERT_EQUAL(answer.sqlState, preview.sqlState);
        // The preview came first.
        CPPUNIT_ASSERT(answer.silent >= preview.silent && answer.silent < preview.silent + patience);
    }

    std::vector<SeenJob> seen(const std::vector<JobId>& jobs)
    /// Each as it is now.
    {
        std::vector<SeenJob> all;
        for (const JobId& job : jobs) {
            all.push_back({job, jobColumn(job, "updated_at").value()});
        }
        return all;
    }

    std::vector<JobId> addJobsInEveryState()
    {
        std::vector<JobId> jobs;
        const std::vector<Text> either{std::nullopt, "32 minutes"};
        for (const Text& started : either) {
            for (const Text& canceled : either) {
                for (const Text& completed : either) {
                    // Within both thresholds, one of them, and none.
                    for (const char* const updated : {"10 seconds", "6 minutes", "31 minutes"}) {
                        addJobsOfEveryType({.startedAgo = started,
                                            .updatedAgo = updated,
                                            .canceledAgo = canceled,
                                            .completedAgo = completed},
                                           jobs);
                    }
                }
            }
        }
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            // Without a line, with one that has a stage, and with a last one that has none.
            if (i % 3 > 0)
                database().addLog(jobs[i], "Planning");
            if (i % 3 > 1)
                database().addLog(jobs[i], "");
        }
        return jobs;
    }

    void addJobsOfEveryType(Sim::JobRow row, std::vector<JobId>& jobs)
    {
        for (const char* const type : {"template_version_import", "template_version_dry_run",
                                       "workspace_build" /* without its build */}) {
            row.type = type;
            jobs.push_back(database().addJob(row));
        }
        for (const Text& own : {Text(), Text(""), Text("its own")}) {
            jobs.push_back(database().addBuildJob(row, {.jobId = "", .state = own}));
            for (const Text& previous : {Text(), Text(""), Text("a state")}) {
                const std::string workspace = Sim::JobDatabase::newId();
                addFinishedBuild(workspace, 1, previous);
                jobs.push_back(database().addBuildJob(
                    row, {.jobId = "", .workspaceId = workspace, .buildNumber = 2, .state = own}));
            }
        }
    }

    std::vector<Text> everyRow()
    /// With what only PostgreSQL knows of each: the transactions that wrote and locked it last.
    {
        std::vector<Text> rows;
        for (const char* const table : {"provisioner_jobs", "provisioner_job_logs", "workspace_builds"})
            rows.push_back(database().value(
                std::string("SELECT md5(string_agg(concat_ws(' ', ctid, xmin, xmax, to_jsonb(r)), E'\\n'"
                            " ORDER BY id)) FROM ") +
                table + " r"));
        return rows;
    }
};

} // namespace HangDetection::Test
