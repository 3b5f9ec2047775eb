#include "ContractTexts.h"
#include "DatabaseFixture.h"
#include "RememberedJobs.h"
#include "detection/Run.h"

#include <algorithm>
#include <set>

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

    CPPUNIT_TEST_SUITE(PendingJobsTest);
    CPPUNIT_TEST(failsPendingJobsByTheContract);
    CPPUNIT_TEST(namesHalfMinutes);
    CPPUNIT_TEST(reportsABuildJobWithoutItsBuild);
    CPPUNIT_TEST(givesEachJobOfARunItsOwnReason);
    CPPUNIT_TEST(leavesJobsThatWereTouchedOrCanceled);
    CPPUNIT_TEST(countsNoneWhenItIsOff);
    CPPUNIT_TEST(sharesThePlacesOfARun);
    CPPUNIT_TEST(givesThePlacesThatTheOthersDoNotNeed);
    CPPUNIT_TEST(drawsForTheOnlyPlace);
    CPPUNIT_TEST(choosesAtRandom);
    CPPUNIT_TEST(givesPlacesToFailedJobsLast);
    CPPUNIT_TEST(runsAgainWhenTheNextJobIsPending);
    CPPUNIT_TEST(goesOnWithABacklog);
    CPPUNIT_TEST(isNoPartOfAMassHangButHeldByIt);
    CPPUNIT_TEST_SUITE_END();

    void failsPendingJobsByTheContract() { expectTerminations("30"); }

    void namesHalfMinutes()
    {
        settings().pendingJobDuration = 90s;
        expectTerminations("1.5");
    }

    void reportsABuildJobWithoutItsBuild()
    {
        const std::string job = database().addJob(withoutBuild());
        const Text before = jobRow(job);
        CPPUNIT_ASSERT_EQUAL(1, run().failed);
        CPPUNIT_ASSERT_EQUAL(Reason::pending, posted().failed.front().reason);
        CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
    }

    void givesEachJobOfARunItsOwnReason()
    {
        const std::string pending = addPendingJob();
        const std::string hung = addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, run().terminated.size());
        CPPUNIT_ASSERT_EQUAL(errorAfter("pending", "30"), jobColumn(pending, "error"));
        CPPUNIT_ASSERT_EQUAL(errorAfter("hung", "5"), jobColumn(hung, "error"));
        CPPUNIT_ASSERT(jobColumn(hung, "started_at") != jobColumn(hung, "completed_at"));
        for (const Termination& answer : posted().terminated)
            CPPUNIT_ASSERT_EQUAL(answer.jobId == pending ? Reason::pending : Reason::hung, answer.reason);
    }

    void leavesJobsThatWereTouchedOrCanceled()
    {
        connectDetector();
        expectLeftAlone({.startedAgo = std::nullopt, .updatedAgo = "29 minutes"});
        const char* const ago = "1 hour";
        expectLeftAlone(
            {.startedAgo = std::nullopt, .updatedAgo = ago, .canceledAgo = ago, .completedAgo = ago});
    }

    void countsNoneWhenItIsOff()
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

    void sharesThePlacesOfARun()
    {
        settings().massHangRatio = 0;
        addPendingJobs(25);
        addHungJobs(35);
        for (int i = 1; i <= 4; ++i) {
            const RunStatistics statistics = run();
            CPPUNIT_ASSERT_EQUAL(std::size_t{10}, statistics.terminated.size());
            CPPUNIT_ASSERT_EQUAL(std::int64_t{60 - 10 * i}, statistics.left);
            CPPUNIT_ASSERT_EQUAL(5 * i, pendingTerminated());
        }
    }

    void givesThePlacesThatTheOthersDoNotNeed()
    {
        addPendingJobs(2);
        addHungJobs(15);
        CPPUNIT_ASSERT_EQUAL(std::size_t{10}, run().terminated.size());
        CPPUNIT_ASSERT_EQUAL(2, pendingTerminated());
        addPendingJobs(15);
        CPPUNIT_ASSERT_EQUAL(std::size_t{10}, run().terminated.size());
        CPPUNIT_ASSERT_EQUAL(2 + 5, pendingTerminated());
        CPPUNIT_ASSERT_EQUAL(std::size_t{10}, run().terminated.size());
        CPPUNIT_ASSERT_EQUAL(2 + 5 + 8, pendingTerminated());
    }

    void drawsForTheOnlyPlace()
    {
        // Each kind has it as often, however many there are of it. Of sixty fair draws less than twelve
        // or more than forty-eight: one chance in a million.
        settings().maxJobsPerRun = 1;
        settings().massHangRatio = 0;
        addPendingJobs(70);
        database().addJobs(2000);
        for (int i = 0; i < 60; ++i)
            run();
        CPPUNIT_ASSERT_GREATEREQUAL(12, pendingTerminated());
        CPPUNIT_ASSERT_LESSEQUAL(48, pendingTerminated());
    }

    void choosesAtRandom()
    {
        // Of forty jobs, and in the order in which they were added, one chance in 40!/30!.
        std::set<std::string> first;
        for (int i = 0; i < 10; ++i)
            first.insert(addPendingJob());
        addPendingJobs(30);
        const std::vector<std::string> terminated = run().terminated;
        CPPUNIT_ASSERT(first != std::set(terminated.begin(), terminated.end()));
    }

    void givesPlacesToFailedJobsLast()
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

    void runsAgainWhenTheNextJobIsPending()
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

    void goesOnWithABacklog()
    {
        addPendingJobs(11);
        const auto pause = run().pause;
        CPPUNIT_ASSERT(pause);
        CPPUNIT_ASSERT(Run::leastPause == *pause);
    }

    void isNoPartOfAMassHangButHeldByIt()
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

    int pendingTerminated()
    /// In all runs.
    {
        return static_cast<int>(
            std::ranges::count(posted().terminated, Reason::pending, &Termination::reason));
    }

    void expectTerminations(const std::string& minutes)
    /// Of an import job and a build job. RememberedJobs knows the whole contract.
    {
        const std::string importJob = addPendingJob();
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        const std::string buildJob = database().addBuildJob(
            pendingJob(), {.jobId = "", .workspaceId = workspace, .buildNumber = 2, .state = std::nullopt});
        database().execute("UPDATE provisioner_jobs SET error_code = 'REQUIRED_TEMPLATE_VARIABLES'");
        RememberedJobs jobs(connectionString(), {.pendingMinutes = minutes});
        jobs.remember();

        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, statistics.terminated.size());
        CPPUNIT_ASSERT_EQUAL(std::optional<std::int64_t>(2), statistics.jobs.pending);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, statistics.jobs.running);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, statistics.jobs.hung);
        CPPUNIT_ASSERT(jobs.terminatedCompletely() == (std::set{importJob, buildJob}));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, posted().terminated.size());
        for (const Termination& answer : posted().terminated) {
            CPPUNIT_ASSERT_EQUAL(errorAfter("pending", minutes), jobColumn(answer.jobId, "error"));
            CPPUNIT_ASSERT_EQUAL(Reason::pending, answer.reason);
            CPPUNIT_ASSERT_EQUAL(std::string("Unknown"), answer.stage);
            CPPUNIT_ASSERT(answer.silent >= 31min && answer.silent < 31min + patience);
            CPPUNIT_ASSERT_EQUAL(answer.jobId == buildJob ? BuildState::copied : BuildState::none,
                                 answer.state);
        }
    }

    void expectLeftAlone(const Sim::JobRow& row)
    {
        const std::string job = database().addJob(row);
        const Text before = jobRow(job);
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(std::optional<std::int64_t>(0), statistics.jobs.pending);
        CPPUNIT_ASSERT(statistics.terminated.empty());
        CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
        CPPUNIT_ASSERT(database().logs(job).empty());
    }

    static Text errorAfter(const std::string& reason, const std::string& minutes)
    {
        return Sim::ContractTexts{.reason = reason, .minutes = minutes}.error();
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PendingJobsTest);

} // namespace HangDetection::Test
