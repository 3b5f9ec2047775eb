// What the detector does with Slurm's answers, and with a Slurm that fails. tests/slurm asks a real one.

#include "ContractTexts.h"
#include "DatabaseFixture.h"
#include "ScriptedSlurm.h"
#include "TerminationFaults.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class AllocationsTest : public DatabaseFixture
{
    TEST_SUITE(AllocationsTest);

public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        settings().releaseAllocations = true;
        useSlurm(std::make_unique<ScriptedSlurm>(_slurm));
    }

private:
    using Lines = std::vector<std::string>;

    const Lines& allocations() const { return posted().allocations; }

    void mark(const std::string& job, const std::string& slurmJob)
    {
        _slurm.marked.push_back({.name = slurmJob, .mark = {.text = job}});
    }

    std::string addMarkedJob(const std::string& slurmJob = "7")
    {
        const std::string job = addHungJob();
        mark(job, slurmJob);
        return job;
    }

    std::string addSuspendedJob()
    /// After a run that has seen it.
    {
        const std::string job = addMarkedJob();
        _slurm.marked.front().isSuspended = true;
        CPPUNIT_ASSERT_EQUAL(1, run().suspended);
        return job;
    }

    std::string addTerminatedJob()
    /// As another hang detector leaves it.
    {
        const std::string job = database().addJob({.completedAgo = "1 hour"});
        database().execute("UPDATE provisioner_jobs SET error = '" + Sim::ContractTexts().error() +
                           "' WHERE id = '" + job + "'");
        return job;
    }

    void expectTerminated(const std::string& job) { CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated); }

    void expectQuestionsAfterRun(int questions)
    {
        run();
        CPPUNIT_ASSERT_EQUAL(questions, _slurm.questions);
    }

    static std::string released(const std::string& job, const std::string& slurmJob = "7")
    {
        return slurmJob + " of " + job + " released";
    }

    void expectReleased(const std::string& job, const Sim::ContractTexts& texts)
    {
        mark(job, "7");
        expectTerminated(job);
        CPPUNIT_ASSERT_EQUAL(Lines{released(job)}, allocations());
        CPPUNIT_ASSERT_EQUAL(Lines{texts.error()}, _slurm.reasons);
    }

    TEST(releasesTheAllocationOfAPendingJob)
    {
        settings().pendingJobDuration = 30min;
        expectReleased(database().addJob({.startedAgo = std::nullopt, .updatedAgo = "1 hour"}),
                       {.reason = "pending", .minutes = "30"});
    }

    TEST(releasesWhateverTheThresholdWas)
    {
        settings().hungJobDuration = 100s;
        expectReleased(addHungJob(), {.minutes = "1.67"});
    }

    TEST(releasesNothingElse)
    {
        // As after a user's late cancel.
        const std::string healthy = addTerminatedJob();
        database().execute("UPDATE provisioner_jobs SET completed_at = NULL, updated_at = now()");
        mark(healthy, "1");
        mark(database().addJob({.completedAgo = "1 hour"}), "2");
        mark(Sim::JobDatabase::newId(), "3");
        expectTerminated(addHungJob());
        CPPUNIT_ASSERT_EQUAL(Lines{}, allocations());
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, _slurm.marked.size());
    }

    TEST(asksOnceAfterTheStartAndThenOnlyWithAReason)
    {
        expectQuestionsAfterRun(1);
        expectQuestionsAfterRun(1);
        database().addJob({.updatedAgo = "1 second"});
        expectQuestionsAfterRun(1);
        addHungJobs(3);
        expectQuestionsAfterRun(2);
        expectQuestionsAfterRun(2);
        // A job with a mark is listed a moment after the plugin has seen it.
        ++_slurm.marksSeen;
        expectQuestionsAfterRun(3);
        expectQuestionsAfterRun(4);
        expectQuestionsAfterRun(4);
    }

    TEST(skipsASuspendedJobUntilItsAllocationEnds)
    {
        const std::string job = addSuspendedJob();
        for (int i = 0; i < 2; ++i) {
            const RunStatistics statistics = run();
            CPPUNIT_ASSERT_EQUAL(1, statistics.suspended);
            CPPUNIT_ASSERT_EQUAL(0, statistics.ineligible);
            CPPUNIT_ASSERT(statistics.terminated.empty());
        }
        CPPUNIT_ASSERT(!isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, posted().skipped.size());
        CPPUNIT_ASSERT_EQUAL(Outcome::suspended, posted().skipped.front().outcome);
        CPPUNIT_ASSERT_EQUAL(job, posted().skipped.front().jobId);
        CPPUNIT_ASSERT_EQUAL(Lines{}, allocations());
        _slurm.askError = "Unable to contact slurm controller";
        CPPUNIT_ASSERT_EQUAL(1, run().suspended);
        _slurm.askError.clear();
        _slurm.marked.clear();
        expectTerminated(job);
    }

    TEST(waitsAThresholdAfterSlurmResumedTheJob)
    {
        const std::string job = addMarkedJob();
        _slurm.marked.front().resumedAgo = 299s;
        CPPUNIT_ASSERT_EQUAL(1, run().suspended);
        std::this_thread::sleep_for(1s);
        _slurm.marked.front().resumedAgo = 300s;
        expectTerminated(job);
    }

    TEST(waitsAThresholdAfterThePauseWasSeen)
    /// As after a signal that stopped the job, of which Slurm keeps no time.
    {
        settings().hungJobDuration = 5s;
        const std::string job = addSuspendedJob();
        _slurm.marked.front().isSuspended = false;
        CPPUNIT_ASSERT_EQUAL(1, run().suspended);
        std::this_thread::sleep_for(5s);
        expectTerminated(job);
    }

    TEST(sparesASuspendedJobForAThresholdAtMostWhenSlurmDoesNotAnswer)
    {
        settings().hungJobDuration = 2s;
        const std::string job = addSuspendedJob();
        _slurm.askError = "Unable to contact slurm controller";
        run();
        std::this_thread::sleep_for(2s);
        expectTerminated(job);
    }

    TEST(leavesThePlacesToJobsThatAreNotSuspended)
    {
        settings().maxJobsPerRun = 5;
        settings().massHangRatio = 0;
        for (int i = 1; i <= 30; ++i) {
            addMarkedJob(std::to_string(i));
            _slurm.marked.back().isSuspended = true;
        }
        // What is known of the suspended ones after this run is that they come last.
        CPPUNIT_ASSERT_EQUAL(5, run().suspended);
        expectTerminated(addHungJob());
    }

    TEST(terminatesWithoutASlurmThatAnswers)
    {
        _slurm.askError = "Unable to contact slurm controller";
        const std::string job = addMarkedJob();
        expectTerminated(job);
        run();
        run();
        Lines expected{"unknown: Unable to contact slurm controller"};
        CPPUNIT_ASSERT_EQUAL(expected, allocations());
        _slurm.askError.clear();
        run();
        expected.insert(expected.end(), {"known", released(job)});
        CPPUNIT_ASSERT_EQUAL(expected, allocations());
        run();
        expectQuestionsAfterRun(5);
    }

    TEST(triesAgainWhatSlurmDidNotCancel)
    {
        _slurm.releaseError = "Access/permission denied";
        const std::string job = addMarkedJob();
        expectTerminated(job);
        run();
        _slurm.releaseError.clear();
        run();
        run();
        CPPUNIT_ASSERT_EQUAL((Lines{"7 of " + job + " kept: Access/permission denied",
                                    "7 of " + job + " still kept: Access/permission denied", released(job)}),
                             allocations());
        expectQuestionsAfterRun(4);
    }

    TEST(tellsAgainOfAJobThatWasGoneInBetween)
    {
        _slurm.releaseError = "Access/permission denied";
        const std::string job = addMarkedJob();
        run();
        const std::vector<SchedulerJob> marked = std::exchange(_slurm.marked, {});
        run();
        _slurm.marked = marked;
        addHungJob();
        run();
        CPPUNIT_ASSERT_EQUAL(Lines(2, "7 of " + job + " kept: Access/permission denied"), allocations());
    }

    TEST(releasesWhatWasTerminatedInARunThatFailed)
    {
        run();
        // A job whose update ends the session ends its run, but the next one releases what is left.
        const std::string deadly = addMarkedJob("1000");
        const std::string other = addTerminatedJob();
        mark(other, "1001");
        endSessionsThatTerminate(database());
        CPPUNIT_ASSERT(tryRun().error);
        endSessionsNoMore(database());
        expectTerminated(deadly);
        CPPUNIT_ASSERT_EQUAL(released(other, "1001"), allocations().back());
        CPPUNIT_ASSERT_EQUAL(Lines{}, posted().leftover);
        CPPUNIT_ASSERT(_slurm.marked.empty());
    }

    TEST(releasesTheRestAfterAStop)
    {
        std::stop_source stop;
        _slurm.onRelease = [&stop] { stop.request_stop(); };
        expectTheRestReleasedInTheNextRun(stop.get_token());
    }

    TEST(releasesNoLongerThanTheRunAllows)
    /// Jobs that hang meanwhile do not wait for all of the slow releases.
    {
        settings().runTimeout = 8s;
        _slurm.onRelease = [] { std::this_thread::sleep_for(4s); };
        expectTheRestReleasedInTheNextRun({});
    }

    void expectTheRestReleasedInTheNextRun(const std::stop_token& stop)
    {
        const std::string job = addMarkedJob();
        mark(job, "8");
        const RunStatistics statistics = tryRun(stop);
        CPPUNIT_ASSERT(!statistics.error);
        CPPUNIT_ASSERT(stop.stop_requested() || !statistics.stopped);
        CPPUNIT_ASSERT_EQUAL(Lines{released(job)}, allocations());
        run();
        CPPUNIT_ASSERT_EQUAL((Lines{released(job), released(job, "8")}), allocations());
    }

    TEST(waitsForSlurmNoLongerThanTheRunAllows)
    /// The rest of the time is for the terminations.
    {
        run();
        CPPUNIT_ASSERT(_slurm.patience > 9s && _slurm.patience <= 10s);
        change(&Settings::runTimeout, 8s);
        addHungJob();
        run();
        CPPUNIT_ASSERT(_slurm.patience > 0s && _slurm.patience <= 4s);
    }

    TEST(stopsWhileSlurmIsAsked)
    {
        const std::string job = addMarkedJob();
        std::stop_source stop;
        _slurm.onQuestion = [&stop] { stop.request_stop(); };
        CPPUNIT_ASSERT(tryRun(stop.get_token()).stopped);
        CPPUNIT_ASSERT(!isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(Lines{}, allocations());
    }

    TEST(releasesAfterAMigration)
    {
        addMarkedJob();
        run();
        database().execute("ALTER TABLE provisioner_jobs ALTER COLUMN error TYPE varchar");
        addMarkedJob("8");
        run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, _slurm.reasons.size());
    }

    TEST(leavesAJobThatCompletedAfterAll)
    {
        _slurm.releaseError = "Slurm backup controller in standby mode";
        const std::string job = addMarkedJob();
        expectTerminated(job);
        database().execute(
            "UPDATE provisioner_jobs SET completed_at = now(), updated_at = now(), error = NULL");
        _slurm.releaseError.clear();
        run();
        CPPUNIT_ASSERT_EQUAL(Lines{"7 of " + job + " kept: Slurm backup controller in standby mode"},
                             allocations());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, _slurm.marked.size());
    }

    TEST(tellsNothingOfAJobThatEndedByItself)
    {
        _slurm.hasEnded = true;
        expectTerminated(addMarkedJob());
        _slurm.marked.clear();
        run();
        // It may have been there, with another name.
        expectQuestionsAfterRun(2);
        CPPUNIT_ASSERT_EQUAL(Lines{}, allocations());
    }

    TEST(asksNothingWhenSwitchedOffAndLooksAgainAfterwards)
    {
        run();
        change(&Settings::releaseAllocations, false);
        const std::string job = addMarkedJob();
        expectTerminated(job);
        CPPUNIT_ASSERT_EQUAL(1, _slurm.questions);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, _slurm.marked.size());
        change(&Settings::releaseAllocations, true);
        run();
        CPPUNIT_ASSERT_EQUAL(Lines{released(job)}, allocations());
    }

    TEST(releasesNothingInADryRun)
    /// Slurm is asked only for hung jobs.
    {
        settings().dryRun = true;
        mark(addTerminatedJob(), "7");
        run();
        expectQuestionsAfterRun(0);
        addHungJob();
        CPPUNIT_ASSERT_EQUAL(1, run().wouldTerminate);
        CPPUNIT_ASSERT_EQUAL(1, _slurm.questions);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, _slurm.marked.size());
    }

    TEST(tellsNoSuspendedJobInADryRun)
    {
        settings().dryRun = true;
        addSuspendedJob();
        const std::string job = addMarkedJob("8");
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(1, statistics.suspended);
        CPPUNIT_ASSERT_EQUAL(1, statistics.wouldTerminate);
        CPPUNIT_ASSERT_EQUAL(job, posted().wouldBeTerminated.front().jobId);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, _slurm.marked.size());
    }

    SlurmScript _slurm;
};

} // namespace HangDetection::Test
