// What the detector makes of Slurm's knowledge, and of a Slurm that fails. The real one is asked in
// tests/slurm.

#include "ContractTexts.h"
#include "DatabaseFixture.h"
#include "ScriptedSlurm.h"

#include <memory>
#include <stop_token>
#include <thread>
#include <utility>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class AllocationsTest : public DatabaseFixture
{
    CPPUNIT_TEST_SUITE(AllocationsTest);
    CPPUNIT_TEST(releasesTheAllocationOfATerminatedJob);
    CPPUNIT_TEST(releasesTheAllocationOfAPendingJob);
    CPPUNIT_TEST(releasesWhateverTheThresholdWas);
    CPPUNIT_TEST(releasesNothingElse);
    CPPUNIT_TEST(releasesAllThatCarryTheMark);
    CPPUNIT_TEST(asksOnceAfterTheStartAndThenOnlyWhenAJobIsHung);
    CPPUNIT_TEST(asksUntilSlurmListsAMark);
    CPPUNIT_TEST(asksNothingWhenSwitchedOff);
    CPPUNIT_TEST(skipsAJobThatIsPaused);
    CPPUNIT_TEST(waitsAThresholdAfterSlurmResumedTheJob);
    CPPUNIT_TEST(waitsAThresholdAfterThePauseWasSeen);
    CPPUNIT_TEST(terminatesAJobWhoseAllocationEndedWhilePaused);
    CPPUNIT_TEST(sparesAPausedJobWhenSlurmDoesNotAnswer);
    CPPUNIT_TEST(sparesItForAThresholdAtMost);
    CPPUNIT_TEST(leavesThePlacesToJobsThatAreNotPaused);
    CPPUNIT_TEST(terminatesWithoutASlurmThatAnswers);
    CPPUNIT_TEST(triesAgainWhatSlurmDidNotCancel);
    CPPUNIT_TEST(tellsAgainOfAJobThatWasGoneInBetween);
    CPPUNIT_TEST(releasesWhatAnEarlierControllerLeft);
    CPPUNIT_TEST(releasesWhatWasTerminatedInARunThatFailed);
    CPPUNIT_TEST(releasesTheRestAfterAStop);
    CPPUNIT_TEST(releasesAnArrayOfWhichSlurmNamesAPart);
    CPPUNIT_TEST(releasesThoseThatWaitFirst);
    CPPUNIT_TEST(waitsForSlurmNoLongerThanTheRunAllows);
    CPPUNIT_TEST(releasesNoLongerThanTheRunAllows);
    CPPUNIT_TEST(stopsWhileSlurmIsAsked);
    CPPUNIT_TEST(releasesAfterAMigration);
    CPPUNIT_TEST(leavesAJobThatCompletedAfterAll);
    CPPUNIT_TEST(tellsNothingOfAJobThatEndedByItself);
    CPPUNIT_TEST(looksAgainWhenSwitchedOn);
    CPPUNIT_TEST(asksOnlyForHungJobsInADryRun);
    CPPUNIT_TEST(releasesNothingInADryRun);
    CPPUNIT_TEST(tellsNoPausedJobInADryRun);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        settings().releaseAllocations = true;
        useSlurm(std::make_unique<ScriptedSlurm>(_slurm));
    }

private:
    const std::string reason = Sim::ContractTexts().error();

    using Lines = std::vector<std::string>;

    const Lines& allocations() const { return posted().allocations; }

    std::string markedJob(std::uint32_t slurmJob)
    {
        const std::string job = addHungJob();
        _slurm.marked.push_back({.slurmJob = std::to_string(slurmJob), .markedWith = job});
        return job;
    }

    void releasesTheAllocationOfATerminatedJob()
    {
        const std::string job = markedJob(7);
        CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
        CPPUNIT_ASSERT_EQUAL(Lines{"7 of " + job + " released"}, allocations());
        CPPUNIT_ASSERT_EQUAL(Lines{reason}, _slurm.reasons);
    }

    void releasesTheAllocationOfAPendingJob()
    {
        settings().pendingJobDuration = 30min;
        const std::string job = database().addJob({.startedAgo = std::nullopt, .updatedAgo = "1 hour"});
        _slurm.marked.push_back({.slurmJob = "7", .markedWith = job});
        CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
        CPPUNIT_ASSERT_EQUAL(Lines{"7 of " + job + " released"}, allocations());
        CPPUNIT_ASSERT_EQUAL((Sim::ContractTexts{.reason = "pending", .minutes = "30"}.error()),
                             _slurm.reasons.front());
    }

    void releasesWhateverTheThresholdWas()
    {
        settings().hungJobDuration = 100s;
        const std::string job = markedJob(7);
        run();
        CPPUNIT_ASSERT_EQUAL(Lines{"7 of " + job + " released"}, allocations());
        CPPUNIT_ASSERT_EQUAL(Sim::ContractTexts{.minutes = "1.67"}.error(), _slurm.reasons.front());
    }

    void releasesNothingElse()
    {
        const std::string healthy = database().addJob({.updatedAgo = "1 second"});
        const std::string finished = database().addJob({.completedAgo = "1 hour"});
        // As after a user's late cancel.
        database().execute("UPDATE provisioner_jobs SET error = '" + std::string(reason) + "' WHERE id = '" +
                           healthy + "'");
        _slurm.marked.push_back({.slurmJob = "1", .markedWith = healthy});
        _slurm.marked.push_back({.slurmJob = "2", .markedWith = finished});
        _slurm.marked.push_back({.slurmJob = "3", .markedWith = "11111111-2222-4333-8444-555555555555"});
        addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, run().terminated.size());
        CPPUNIT_ASSERT_EQUAL(Lines{}, allocations());
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, _slurm.marked.size());
    }

    void releasesAllThatCarryTheMark()
    {
        const std::string job = markedJob(7);
        _slurm.marked.push_back({.slurmJob = "8", .markedWith = job});
        run();
        CPPUNIT_ASSERT_EQUAL((Lines{"7 of " + job + " released", "8 of " + job + " released"}),
                             allocations());
    }

    void asksOnceAfterTheStartAndThenOnlyWhenAJobIsHung()
    {
        run();
        CPPUNIT_ASSERT_EQUAL(1, _slurm.questions);
        run();
        database().addJob({.updatedAgo = "1 second"});
        run();
        CPPUNIT_ASSERT_EQUAL(1, _slurm.questions);
        addHungJobs(3);
        run();
        CPPUNIT_ASSERT_EQUAL(2, _slurm.questions);
        run();
        CPPUNIT_ASSERT_EQUAL(2, _slurm.questions);
    }

    void asksUntilSlurmListsAMark()
    /// A job with a mark is listed a moment after the plugin has seen it.
    {
        run();
        run();
        CPPUNIT_ASSERT_EQUAL(1, _slurm.questions);
        ++_slurm.marksSeen;
        run();
        CPPUNIT_ASSERT_EQUAL(2, _slurm.questions);
        run();
        run();
        CPPUNIT_ASSERT_EQUAL(3, _slurm.questions);
    }

    void asksNothingWhenSwitchedOff()
    {
        settings().releaseAllocations = false;
        markedJob(7);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, run().terminated.size());
        CPPUNIT_ASSERT_EQUAL(0, _slurm.questions);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, _slurm.marked.size());
    }

    void skipsAJobThatIsPaused()
    {
        const std::string job = markedJob(7);
        _slurm.marked.front().isPaused = true;
        for (int i = 1; i <= 3; ++i) {
            const RunStatistics statistics = run();
            CPPUNIT_ASSERT_EQUAL(1, statistics.suspended);
            CPPUNIT_ASSERT_EQUAL(0, statistics.ineligible);
            CPPUNIT_ASSERT(statistics.terminated.empty());
        }
        CPPUNIT_ASSERT(!isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, posted().skipped.size());
        CPPUNIT_ASSERT(posted().skipped.front().outcome == Outcome::suspended);
        CPPUNIT_ASSERT_EQUAL(job, posted().skipped.front().jobId);
        CPPUNIT_ASSERT_EQUAL(Lines{}, allocations());
    }

    void waitsAThresholdAfterSlurmResumedTheJob()
    {
        const std::string job = markedJob(7);
        _slurm.marked.front().resumedAgo = 299s;
        CPPUNIT_ASSERT_EQUAL(1, run().suspended);
        std::this_thread::sleep_for(1s);
        _slurm.marked.front().resumedAgo = 300s;
        CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
    }

    void waitsAThresholdAfterThePauseWasSeen()
    /// As after a signal that stopped the job, of which Slurm keeps no time.
    {
        settings().hungJobDuration = 5s;
        const std::string job = markedJob(7);
        _slurm.marked.front().isPaused = true;
        CPPUNIT_ASSERT_EQUAL(1, run().suspended);
        _slurm.marked.front().isPaused = false;
        CPPUNIT_ASSERT_EQUAL(1, run().suspended);
        std::this_thread::sleep_for(5s);
        CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
    }

    void terminatesAJobWhoseAllocationEndedWhilePaused()
    {
        const std::string job = markedJob(7);
        _slurm.marked.front().isPaused = true;
        CPPUNIT_ASSERT_EQUAL(1, run().suspended);
        _slurm.marked.clear();
        CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
    }

    void sparesAPausedJobWhenSlurmDoesNotAnswer()
    {
        markedJob(7);
        _slurm.marked.front().isPaused = true;
        CPPUNIT_ASSERT_EQUAL(1, run().suspended);
        _slurm.askError = "Unable to contact slurm controller";
        CPPUNIT_ASSERT_EQUAL(1, run().suspended);
    }

    void sparesItForAThresholdAtMost()
    {
        settings().hungJobDuration = 2s;
        const std::string job = markedJob(7);
        _slurm.marked.front().isPaused = true;
        CPPUNIT_ASSERT_EQUAL(1, run().suspended);
        _slurm.askError = "Unable to contact slurm controller";
        run();
        std::this_thread::sleep_for(2s);
        CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
    }

    void leavesThePlacesToJobsThatAreNotPaused()
    {
        settings().maxJobsPerRun = 5;
        settings().massHangRatio = 0;
        for (std::uint32_t i = 1; i <= 30; ++i) {
            markedJob(i);
            _slurm.marked.back().isPaused = true;
        }
        // What is known of the paused ones after this run is that they come last.
        CPPUNIT_ASSERT_EQUAL(5, run().suspended);
        const std::string job = addHungJob();
        CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
    }

    void terminatesWithoutASlurmThatAnswers()
    {
        _slurm.askError = "Unable to contact slurm controller";
        const std::string job = markedJob(7);
        CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
        run();
        run();
        CPPUNIT_ASSERT_EQUAL(Lines{"unknown: Unable to contact slurm controller"}, allocations());
        _slurm.askError.clear();
        run();
        CPPUNIT_ASSERT_EQUAL(
            (Lines{"unknown: Unable to contact slurm controller", "known", "7 of " + job + " released"}),
            allocations());
        run();
        run();
        CPPUNIT_ASSERT_EQUAL(5, _slurm.questions);
    }

    void triesAgainWhatSlurmDidNotCancel()
    {
        _slurm.releaseError = "Access/permission denied";
        const std::string job = markedJob(7);
        CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
        run();
        _slurm.releaseError.clear();
        run();
        run();
        CPPUNIT_ASSERT_EQUAL(
            (Lines{"7 of " + job + " kept: Access/permission denied",
                   "7 of " + job + " still kept: Access/permission denied", "7 of " + job + " released"}),
            allocations());
        run();
        CPPUNIT_ASSERT_EQUAL(4, _slurm.questions);
    }

    void tellsAgainOfAJobThatWasGoneInBetween()
    {
        _slurm.releaseError = "Access/permission denied";
        const std::string job = markedJob(7);
        run();
        const std::vector<Allocation> marked = std::exchange(_slurm.marked, {});
        run();
        _slurm.marked = marked;
        addHungJob();
        run();
        CPPUNIT_ASSERT_EQUAL(Lines(2, "7 of " + job + " kept: Access/permission denied"), allocations());
    }

    void releasesWhatAnEarlierControllerLeft()
    {
        settings().releaseAllocations = false;
        const std::string job = markedJob(7);
        CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
        forgetDetector();
        settings().releaseAllocations = true;
        useSlurm(std::make_unique<ScriptedSlurm>(_slurm));
        CPPUNIT_ASSERT(run().terminated.empty());
        CPPUNIT_ASSERT_EQUAL(Lines{"7 of " + job + " released"}, allocations());
    }

    void releasesWhatWasTerminatedInARunThatFailed()
    /// The answer of the first statement is there when the second one ends the session.
    {
        settings().massHangRatio = 0;
        settings().maxJobsPerRun = static_cast<int>(HangDetector::batchSize) + 1;
        const std::vector<std::string> jobs = addHungJobs(settings().maxJobsPerRun);
        for (std::uint32_t i = 0; i < jobs.size(); ++i)
            _slurm.marked.push_back({.slurmJob = std::to_string(i + 1), .markedWith = jobs[i]});
        run();
        CPPUNIT_ASSERT_EQUAL(jobs.size(), _slurm.reasons.size());

        // A job whose update ends the session takes its run with it, but no other's allocation.
        const std::string deadly = markedJob(1000);
        const std::string other = database().addJob({.completedAgo = "1 hour"});
        database().execute("UPDATE provisioner_jobs SET error = '" + std::string(reason) + "' WHERE id = '" +
                           other + "'");
        _slurm.marked.push_back({.slurmJob = "1001", .markedWith = other});
        database().execute(
            "CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
            " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN new; END $$");
        database().execute("CREATE TRIGGER deadly BEFORE UPDATE ON provisioner_jobs FOR EACH ROW"
                           " EXECUTE FUNCTION end_session()");
        CPPUNIT_ASSERT(tryRun().error);
        database().execute("DROP TRIGGER deadly ON provisioner_jobs");
        CPPUNIT_ASSERT_EQUAL(Lines{deadly}, run().terminated);
        CPPUNIT_ASSERT_EQUAL(Lines{"1001 of " + other + " released"},
                             Lines(allocations().end() - 1, allocations().end()));
        CPPUNIT_ASSERT(_slurm.marked.empty());
    }

    void releasesTheRestAfterAStop()
    {
        const std::string job = markedJob(7);
        _slurm.marked.push_back({.slurmJob = "8", .markedWith = job});
        std::stop_source stop;
        _slurm.onRelease = [&stop] { stop.request_stop(); };
        tryRun(stop.get_token());
        CPPUNIT_ASSERT_EQUAL(Lines{"7 of " + job + " released"}, allocations());
        run();
        CPPUNIT_ASSERT_EQUAL((Lines{"7 of " + job + " released", "8 of " + job + " released"}),
                             allocations());
    }

    void releasesAnArrayOfWhichSlurmNamesAPart()
    {
        const std::string job = addHungJob();
        _slurm.marked.push_back({.slurmJob = "7_[1,3]", .markedWith = job, .isPart = true});
        run();
        _slurm.marked.push_back({.slurmJob = "7_[5]", .markedWith = job});
        run();
        run();
        CPPUNIT_ASSERT_EQUAL((Lines{"7_[1,3] of " + job + " released", "7_[5] of " + job + " released"}),
                             allocations());
        run();
        CPPUNIT_ASSERT_EQUAL(3, _slurm.questions);
    }

    void releasesThoseThatWaitFirst()
    {
        const std::string job = markedJob(7);
        _slurm.marked.push_back({.slurmJob = "8_[3-4]", .markedWith = job, .isWaiting = true});
        _slurm.marked.push_back({.slurmJob = "8_2", .markedWith = job});
        run();
        CPPUNIT_ASSERT_EQUAL((Lines{"8_[3-4] of " + job + " released", "7 of " + job + " released",
                                    "8_2 of " + job + " released"}),
                             allocations());
    }

    void waitsForSlurmNoLongerThanTheRunAllows()
    /// What is left of it afterwards is for the terminations.
    {
        run();
        CPPUNIT_ASSERT(_slurm.patience > 9s && _slurm.patience <= 10s);
        Settings shorter = settings();
        shorter.connection = ConnectionString::parse(connectionString(detectorRole));
        shorter.runTimeout = 8s;
        detector().use(shorter);
        addHungJob();
        run();
        CPPUNIT_ASSERT(_slurm.patience > 0s && _slurm.patience <= 4s);
    }

    void releasesNoLongerThanTheRunAllows()
    /// Where each takes its time, jobs that hang meanwhile do not wait for all of them.
    {
        settings().runTimeout = 8s;
        const std::string job = markedJob(7);
        _slurm.marked.push_back({.slurmJob = "8", .markedWith = job});
        _slurm.onRelease = [] { std::this_thread::sleep_for(4s); };
        run();
        CPPUNIT_ASSERT_EQUAL(Lines{"7 of " + job + " released"}, allocations());
        run();
        CPPUNIT_ASSERT_EQUAL((Lines{"7 of " + job + " released", "8 of " + job + " released"}),
                             allocations());
    }

    void stopsWhileSlurmIsAsked()
    {
        const std::string job = markedJob(7);
        std::stop_source stop;
        _slurm.onQuestion = [&stop] { stop.request_stop(); };
        CPPUNIT_ASSERT(tryRun(stop.get_token()).stopped);
        CPPUNIT_ASSERT(!isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(Lines{}, allocations());
    }

    void releasesAfterAMigration()
    {
        markedJob(7);
        run();
        database().execute("ALTER TABLE provisioner_jobs ALTER COLUMN error TYPE varchar");
        markedJob(8);
        run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, _slurm.reasons.size());
    }

    void leavesAJobThatCompletedAfterAll()
    {
        _slurm.releaseError = "Slurm backup controller in standby mode";
        const std::string job = markedJob(7);
        CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
        database().execute(
            "UPDATE provisioner_jobs SET completed_at = now(), updated_at = now(), error = NULL");
        _slurm.releaseError.clear();
        run();
        CPPUNIT_ASSERT_EQUAL(Lines{"7 of " + job + " kept: Slurm backup controller in standby mode"},
                             allocations());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, _slurm.marked.size());
    }

    void tellsNothingOfAJobThatEndedByItself()
    {
        _slurm.hasEnded = true;
        const std::string job = markedJob(7);
        CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
        _slurm.marked.clear();
        run();
        run();
        CPPUNIT_ASSERT_EQUAL(Lines{}, allocations());
        // It may have been there, with another name.
        CPPUNIT_ASSERT_EQUAL(2, _slurm.questions);
    }

    void looksAgainWhenSwitchedOn()
    {
        run();
        Settings off = settings();
        off.connection = ConnectionString::parse(connectionString(detectorRole));
        off.releaseAllocations = false;
        Settings on = off;
        on.releaseAllocations = true;
        detector().use(off);
        const std::string job = markedJob(7);
        CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
        detector().use(on);
        run();
        CPPUNIT_ASSERT_EQUAL(Lines{"7 of " + job + " released"}, allocations());
    }

    void asksOnlyForHungJobsInADryRun()
    {
        settings().dryRun = true;
        run();
        run();
        CPPUNIT_ASSERT_EQUAL(0, _slurm.questions);
        addHungJob();
        CPPUNIT_ASSERT_EQUAL(1, run().wouldTerminate);
        CPPUNIT_ASSERT_EQUAL(1, _slurm.questions);
    }

    void releasesNothingInADryRun()
    {
        settings().dryRun = true;
        const std::string job = database().addJob({.completedAgo = "1 hour"});
        database().execute("UPDATE provisioner_jobs SET error = '" + std::string(reason) + "'");
        _slurm.marked.push_back({.slurmJob = "7", .markedWith = job});
        // Slurm is asked only when there is one.
        addHungJob();
        CPPUNIT_ASSERT_EQUAL(1, run().wouldTerminate);
        CPPUNIT_ASSERT_EQUAL(1, _slurm.questions);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, _slurm.marked.size());
    }

    void tellsNoPausedJobInADryRun()
    {
        settings().dryRun = true;
        markedJob(7);
        _slurm.marked.front().isPaused = true;
        const std::string job = markedJob(8);
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(1, statistics.suspended);
        CPPUNIT_ASSERT_EQUAL(1, statistics.wouldTerminate);
        CPPUNIT_ASSERT_EQUAL(job, posted().wouldBeTerminated.front().jobId);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, _slurm.marked.size());
    }

    SlurmScript _slurm;
};

CPPUNIT_TEST_SUITE_REGISTRATION(AllocationsTest);

} // namespace HangDetection::Test
