#include "DatabaseFixture.h"
#include "RememberedJobs.h"
#include "detection/Run.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class PendingJobsTest : public DatabaseFixture
/// Jobs that were never started, when PendingJobDuration is set.
{
public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        settings().pendingJobDuration = 30min;
    }

    TEST_SUITE(PendingJobsTest);

    TEST(failsPendingJobsByTheContractAndNoOthers)
    /// Beside a hung one, in the tables of 2023 and of 2026. RememberedJobs knows the whole contract.
    {
        for (const bool isLater : {false, true}) {
            startOver();
            if (isLater)
                migrateTo2026(database());
            expectTerminations();
        }
    }

    void expectTerminations()
    {
        settings().pendingJobDuration = 90s;
        connectDetector();
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        const std::string build =
            database().addBuildJob(pendingJob(), {.jobId = "", .workspaceId = workspace, .buildNumber = 2});
        std::set<std::string> expected{build, addPendingJob()};
        database().execute("UPDATE provisioner_jobs SET error_code = 'REQUIRED_TEMPLATE_VARIABLES'");
        const std::string hung = addHungJob();
        expected.insert(hung);
        const char* const ago = "1 hour";
        database().addJob(
            {.startedAgo = std::nullopt, .updatedAgo = ago, .canceledAgo = ago, .completedAgo = ago});
        RememberedJobs jobs(connectionString(),
                            {.pendingMinutes = "1.5", .changedByWorkers = "{job_status}"});
        jobs.remember();

        const std::string touched = database().addJob({.startedAgo = std::nullopt, .updatedAgo = "1 minute"});
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(std::optional<std::int64_t>(2), statistics.jobs.pending);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{1}, statistics.jobs.running);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{1}, statistics.jobs.hung);
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, statistics.terminated.size());
        CPPUNIT_ASSERT(jobs.terminatedCompletely() == expected);
        CPPUNIT_ASSERT(!isCompleted(touched));
        for (const Termination& answer : posted().terminated) {
            CPPUNIT_ASSERT_EQUAL(answer.jobId == hung ? Reason::hung : Reason::pending, answer.reason);
            CPPUNIT_ASSERT(answer.jobId == hung ||
                           (answer.silent >= 31min && answer.silent < 31min + patience));
            CPPUNIT_ASSERT_EQUAL(answer.jobId == build ? BuildState::copied : BuildState::none, answer.state);
        }
    }

    TEST(countsNoneWhenItIsOff)
    {
        settings().pendingJobDuration = 0s;
        const std::string job = addPendingJob();
        const Text before = jobRow(job);
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT(statistics.terminated.empty());
        CPPUNIT_ASSERT(!statistics.jobs.pending);
        CPPUNIT_ASSERT_EQUAL(0, statistics.ineligible);
        CPPUNIT_ASSERT(!statistics.pause);
        CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
    }

    TEST(sharesThePlacesOfARun)
    /// By halves, but for places that the others do not need.
    {
        addPendingJobs(2);
        addHungJobs(15);
        expectTenTerminated(2, 7);
        addPendingJobs(15);
        expectTenTerminated(2 + 5, 12);
        expectTenTerminated(2 + 5 + 8, 2);
    }

    void expectTenTerminated(int pending, std::int64_t left)
    /// Of the ten that a run terminates, so many have been pending in all runs.
    {
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{10}, statistics.terminated.size());
        CPPUNIT_ASSERT_EQUAL(pending, static_cast<int>(std::ranges::count(
                                          posted().terminated, Reason::pending, &Termination::reason)));
        CPPUNIT_ASSERT_EQUAL(left, statistics.left);
        CPPUNIT_ASSERT(statistics.pause == Run::leastPause);
    }

    TEST(drawsByLots)
    /// Each kind has the only place as often, however many there are of it, and each job may have it. Of
    /// sixty fair draws less than twelve or more than forty-eight: one chance in a million.
    {
        addPendingJobs(70);
        database().addJobs(2000);
        JobStore store(settings().connection, 60s);
        store.open({});
        JobStore::Search search{
            .thresholds = {.hung = 300s, .pending = 30min}, .lookAhead = 60s, .places = 1};
        search.earlier = store.findJobs(search).look;
        std::map<bool, std::vector<std::string>> drawn;
        for (int i = 0; i < 60; ++i) {
            const std::string job = store.findJobs(search).chosen.at(0).jobId;
            drawn[jobColumn(job, "started_at").has_value()].push_back(job);
        }
        for (const auto& [isHung, jobs] : drawn) {
            CPPUNIT_ASSERT_GREATEREQUAL(std::size_t{12}, jobs.size());
            CPPUNIT_ASSERT_GREATER(std::size_t{1}, std::set(jobs.begin(), jobs.end()).size());
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, drawn.size());
    }

    TEST(givesPlacesToFailedJobsLast)
    {
        settings().maxJobsPerRun = 2;
        database().addJobs(2, withoutBuild());
        run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, posted().failed.size());
        // Not even a place that is theirs by halves.
        addHungJobs(4);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, run().terminated.size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, run().terminated.size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, posted().failed.size());
    }

    TEST(runsAgainWhenTheNextJobIsPending)
    {
        database().addJob({.startedAgo = std::nullopt, .updatedAgo = "29 minutes"});
        database().addJob({.updatedAgo = "3 minutes"});
        const auto pause = run().pause;
        CPPUNIT_ASSERT(pause);
        CPPUNIT_ASSERT(*pause <= 60s);
        CPPUNIT_ASSERT(*pause > 60s - patience);
        database().addJob({.updatedAgo = "250 seconds"});
        CPPUNIT_ASSERT(*run().pause <= 50s);
    }

    TEST(isNoPartOfAMassHangButHeldByIt)
    {
        connectDetector();
        addPendingJobs(30);
        RunStatistics statistics = run();
        CPPUNIT_ASSERT(!statistics.held);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, statistics.jobs.silent);
        CPPUNIT_ASSERT_EQUAL(std::size_t{10}, statistics.terminated.size());

        addHungJobs(21);
        const std::string job = addPendingJob();
        const Text before = jobRow(job);
        statistics = run();
        CPPUNIT_ASSERT(statistics.held);
        CPPUNIT_ASSERT(statistics.terminated.empty());
        CPPUNIT_ASSERT_EQUAL(std::optional<std::int64_t>(21), statistics.jobs.pending);
        CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
        CPPUNIT_ASSERT_EQUAL(std::string("21 of 21 for 300 s"), posted().massHangBegan.front());
    }

    static Sim::JobRow pendingJob() { return {.startedAgo = std::nullopt, .updatedAgo = "31 minutes"}; }

    static Sim::JobRow withoutBuild()
    {
        return {.type = "workspace_build", .startedAgo = std::nullopt, .updatedAgo = "31 minutes"};
    }

    std::string addPendingJob() { return database().addJob(pendingJob()); }

    void addPendingJobs(int count) { database().addJobs(count, pendingJob()); }
};

} // namespace HangDetection::Test
