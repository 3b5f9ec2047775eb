#include "ContractTexts.h"
#include "DatabaseFixture.h"

#include <algorithm>

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
    CPPUNIT_TEST(failsAJobThatWasNeverStarted);
    CPPUNIT_TEST(touchesNoOtherColumn);
    CPPUNIT_TEST(writesFiveLinesIntoTheLog);
    CPPUNIT_TEST(notifiesWhoFollowsTheLog);
    CPPUNIT_TEST(copiesTheStateOfABuild);
    CPPUNIT_TEST(reportsABuildJobWithoutItsBuild);
    CPPUNIT_TEST(givesEachJobOfARunItsOwnReason);
    CPPUNIT_TEST(leavesAJobThatWasTouchedWithinTheThreshold);
    CPPUNIT_TEST(leavesAJobThatWasCanceledBeforeItsStart);
    CPPUNIT_TEST(countsNoneWhenItIsOff);
    CPPUNIT_TEST(sharesThePlacesOfARun);
    CPPUNIT_TEST(givesThePlacesThatTheOthersDoNotNeed);
    CPPUNIT_TEST(drawsForTheOnlyPlace);
    CPPUNIT_TEST(choosesAtRandom);
    CPPUNIT_TEST(givesPlacesToFailedJobsLast);
    CPPUNIT_TEST(runsAgainWhenTheNextJobIsPending);
    CPPUNIT_TEST(goesOnWithABacklog);
    CPPUNIT_TEST(isNoPartOfAMassHang);
    CPPUNIT_TEST(isHeldByAMassHang);
    CPPUNIT_TEST_SUITE_END();

    void failsAJobThatWasNeverStarted()
    {
        const std::string job = addPendingJob();
        database().execute("UPDATE provisioner_jobs SET error_code = 'REQUIRED_TEMPLATE_VARIABLES'");
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, statistics.terminated);
        CPPUNIT_ASSERT_EQUAL(std::optional<std::int64_t>(1), statistics.jobs.pending);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, statistics.jobs.running);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, statistics.jobs.hung);
        CPPUNIT_ASSERT_EQUAL(errorAfter("pending", "30"), jobColumn(job, "error"));
        CPPUNIT_ASSERT_EQUAL(Text(), jobColumn(job, "error_code"));
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(jobColumn(job, "completed_at"), jobColumn(job, "started_at"));
        CPPUNIT_ASSERT_EQUAL(jobColumn(job, "completed_at"), jobColumn(job, "updated_at"));
        const Termination& answer = posted().terminated.front();
        CPPUNIT_ASSERT_EQUAL(Reason::pending, answer.reason);
        CPPUNIT_ASSERT_EQUAL(std::string("Unknown"), answer.stage);
        CPPUNIT_ASSERT(answer.silent >= 31min && answer.silent < 31min + patience);
    }

    void touchesNoOtherColumn()
    {
        const std::string job = addPendingJob();
        const Text before = otherColumns(job);
        run();
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(before, otherColumns(job));
    }

    void writesFiveLinesIntoTheLog()
    {
        settings().pendingJobDuration = 90s;
        const std::string job = addPendingJob();
        run();
        const std::vector<Sim::LogRow> lines = database().logs(job);
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, lines.size());
        CPPUNIT_ASSERT_EQUAL((Sim::ContractTexts{.reason = "pending", .minutes = "1.5"}.line()),
                             lines.at(2).output);
        CPPUNIT_ASSERT_EQUAL(errorAfter("pending", "1.5"), jobColumn(job, "error"));
        for (std::size_t i = 0; i < lines.size(); ++i) {
            CPPUNIT_ASSERT_EQUAL(std::string("Unknown"), lines[i].stage);
            CPPUNIT_ASSERT_EQUAL(static_cast<std::int64_t>(i) * 1000, lines[i].microsAfterCompletion);
        }
    }

    void notifiesWhoFollowsTheLog()
    {
        const std::string job = addPendingJob();
        Sim::NotificationListener listener(connectionString());
        listener.follow(job);
        run();
        const auto notification = listener.next(patience);
        CPPUNIT_ASSERT(notification);
        CPPUNIT_ASSERT_EQUAL("{\"created_after\":" + std::to_string(database().logs(job).front().id - 1) +
                                 ",\"end_of_logs\":true}",
                             notification->payload);
    }

    void copiesTheStateOfABuild()
    {
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        const std::string job = database().addBuildJob(
            pendingJob(), {.jobId = "", .workspaceId = workspace, .buildNumber = 2, .state = std::nullopt});
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        CPPUNIT_ASSERT_EQUAL(BuildState::copied, posted().terminated.front().state);
        CPPUNIT_ASSERT_EQUAL(Text("a state"), buildState(job));
    }

    void reportsABuildJobWithoutItsBuild()
    {
        Sim::JobRow row = pendingJob();
        row.type = "workspace_build";
        const std::string job = database().addJob(row);
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

    void leavesAJobThatWasTouchedWithinTheThreshold()
    {
        connectDetector();
        expectLeftAlone({.startedAgo = std::nullopt, .updatedAgo = "29 minutes"});
    }

    void leavesAJobThatWasCanceledBeforeItsStart()
    {
        expectLeftAlone({.startedAgo = std::nullopt,
                         .updatedAgo = "1 hour",
                         .canceledAgo = "1 hour",
                         .completedAgo = "1 hour"});
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
        CPPUNIT_ASSERT(!detector().pauseAfter(statistics));
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
        constexpr std::size_t all = 40;
        std::vector<std::string> jobs(all);
        std::generate(jobs.begin(), jobs.end(), [this] { return addPendingJob(); });
        std::vector<std::string> terminated = run().terminated;
        std::sort(terminated.begin(), terminated.end());
        std::vector<std::string> first(jobs.begin(), jobs.begin() + 10);
        std::sort(first.begin(), first.end());
        CPPUNIT_ASSERT(first != terminated);
    }

    void givesPlacesToFailedJobsLast()
    {
        settings().maxJobsPerRun = 2;
        Sim::JobRow row = pendingJob();
        row.type = "workspace_build";
        database().addJob(row);
        database().addJob(row);
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
        const auto pause = detector().pauseAfter(run());
        CPPUNIT_ASSERT(pause);
        CPPUNIT_ASSERT(*pause <= 60s);
        CPPUNIT_ASSERT(*pause > 60s - patience);
        database().addJob({.updatedAgo = "250 seconds"});
        CPPUNIT_ASSERT(*detector().pauseAfter(run()) <= 50s);
    }

    void goesOnWithABacklog()
    {
        addPendingJobs(11);
        const auto pause = detector().pauseAfter(run());
        CPPUNIT_ASSERT(pause);
        CPPUNIT_ASSERT(HangDetector::leastPause == *pause);
    }

    void isNoPartOfAMassHang()
    {
        connectDetector();
        addPendingJobs(30);
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT(!statistics.held);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, statistics.jobs.silent);
        // Nor does it make one rarer.
        addHungJobs(21);
        CPPUNIT_ASSERT(run().held);
        CPPUNIT_ASSERT_EQUAL(std::string("21 of 21 for 300 s"), posted().massHangBegan.front());
    }

    void isHeldByAMassHang()
    {
        addHungJobs(21);
        const std::string job = addPendingJob();
        const Text before = jobRow(job);
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT(statistics.held);
        CPPUNIT_ASSERT(statistics.terminated.empty());
        CPPUNIT_ASSERT_EQUAL(std::optional<std::int64_t>(1), statistics.jobs.pending);
        CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
    }

    static Sim::JobRow pendingJob() { return {.startedAgo = std::nullopt, .updatedAgo = "31 minutes"}; }

    std::string addPendingJob() { return database().addJob(pendingJob()); }

    void addPendingJobs(int count) { database().addJobs(count, pendingJob()); }

    int pendingTerminated()
    /// In all runs.
    {
        return static_cast<int>(
            std::count_if(posted().terminated.begin(), posted().terminated.end(),
                          [](const Termination& job) { return job.reason == Reason::pending; }));
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

    Text otherColumns(const std::string& job)
    {
        return database().value(
            "SELECT (to_jsonb(j) - '{started_at,updated_at,completed_at,error,error_code}'::text[])::text"
            " FROM provisioner_jobs j WHERE id = $1::uuid",
            job);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PendingJobsTest);

} // namespace HangDetection::Test
