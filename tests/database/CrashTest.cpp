#include "ContractTexts.h"
#include "DatabaseFixture.h"
#include "Figure.h"
#include "JobsUnderFault.h"
#include "RandomMoments.h"
#include "Rounds.h"
#include "StallingProxy.h"
#include "TerminationFaults.h"

#include <Poco/NObserver.h>

#include <algorithm>
#include <iterator>
#include <new>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace HangDetection::Test {

using namespace std::chrono_literals;

namespace {

class ShortOfMemory
/// An observer that has no memory for the first termination.
{
public:
    explicit ShortOfMemory(Poco::NotificationCenter& center) : _center(center)
    {
        _center.addObserver(Observer(*this, &ShortOfMemory::handle));
    }

    ~ShortOfMemory() { _center.removeObserver(Observer(*this, &ShortOfMemory::handle)); }

    ShortOfMemory(const ShortOfMemory&) = delete;
    ShortOfMemory& operator=(const ShortOfMemory&) = delete;

private:
    using Observer = Poco::NObserver<ShortOfMemory, JobTerminated>;

    void handle(const Poco::AutoPtr<JobTerminated>&)
    {
        if (!std::exchange(_hasFailed, true))
            throw std::bad_alloc();
    }

    Poco::NotificationCenter& _center;
    bool _hasFailed = false;
};

} // namespace

class CrashTest : public DatabaseFixture
/// The session or the server dies while jobs are terminated.
{
    TEST_SUITE(CrashTest);

    static constexpr int jobCount = 12;

    TEST(survivesTheEndOfItsSessionAtEachStep)
    {
        constexpr int fewJobs = 8;
        settings().maxJobsPerRun = fewJobs;
        JobsUnderFault jobs(connectionString());
        int faults = 0;
        for (const char* const step : {"TRIGGER end_session BEFORE UPDATE ON provisioner_jobs",
                                       "TRIGGER end_session AFTER UPDATE ON provisioner_jobs",
                                       "TRIGGER end_session BEFORE INSERT ON provisioner_job_logs",
                                       "TRIGGER end_session AFTER INSERT ON provisioner_job_logs",
                                       "TRIGGER end_session BEFORE UPDATE ON workspace_builds",
                                       "TRIGGER end_session AFTER UPDATE ON workspace_builds",
                                       "CONSTRAINT TRIGGER end_session AFTER UPDATE ON provisioner_jobs "
                                       "DEFERRABLE INITIALLY DEFERRED"}) {
            jobs.topUp(fewJobs);
            const int terminated = jobs.terminated();
            int row = 0;
            while (!endsAtRow(++row, step)) {
                CPPUNIT_ASSERT_EQUAL(terminated, jobs.terminated());
                jobs.expectNoneInBetween();
                ++faults;
                CPPUNIT_ASSERT_MESSAGE(step, row < 100);
            }
            CPPUNIT_ASSERT_MESSAGE(step, row > 1);
            CPPUNIT_ASSERT_EQUAL(terminated + fewJobs, jobs.terminated());
        }
        jobs.expectNothingLeft();
        figure() << "survived " << faults << " faults: the session ended at a step of a termination\n";
    }

    bool endsAtRow(int row, const std::string& trigger)
    /// A run in which the session is ended at that row of a step. True when there is no such row any more.
    {
        database().execute("CREATE SEQUENCE row_number");
        database().execute("GRANT USAGE ON row_number TO public");
        database().execute("CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN"
                           " IF nextval(''row_number'') = tg_argv[0]::bigint THEN"
                           " PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN new; END'");
        database().execute("CREATE " + trigger + " FOR EACH ROW EXECUTE FUNCTION end_session(" +
                           std::to_string(row) + ")");
        forgetDetector(); // which would try the jobs of a run that failed one by one
        const RunStatistics statistics = tryRun();
        database().execute("DROP FUNCTION end_session CASCADE");
        database().execute("DROP SEQUENCE row_number");
        if (!statistics.error)
            return true;
        CPPUNIT_ASSERT_EQUAL(std::string("terminating connection due to administrator command"),
                             statistics.error->cause);
        CPPUNIT_ASSERT(statistics.terminated.empty());
        return false;
    }

    TEST(survivesTheEndOfItsSessionAtAnyMoment)
    {
        constexpr int faults = rounds(300);
        JobsUnderFault jobs(connectionString());
        drawOut(jobs);
        RandomMoments moments([&] { return durationOfARun(jobs); }, faults, faults / 20);

        int unfinishedRuns = 0;
        while (moments.areLeft()) {
            const auto moment = moments.next();
            jobs.topUp(jobCount);
            const int terminated = jobs.terminated();
            const int linesTakenBack = jobs.linesTakenBack();
            startRun();
            std::this_thread::sleep_for(moment);
            endSessionOfDetector();
            const RunStatistics statistics = endOfRun();
            jobs.expectNoneInBetween();

            CPPUNIT_ASSERT(static_cast<int>(statistics.terminated.size()) <= jobs.terminated() - terminated);
            unfinishedRuns += statistics.error ? 1 : 0;
            moments.note(jobs.linesTakenBack() > linesTakenBack);
        }
        finish(jobs);
        figure() << "survived " << moments.taken() << " faults: the session ended at a random moment (seed "
                 << moments.seed() << "); " << unfinishedRuns << " runs failed, " << moments.hits()
                 << " terminations were taken back\n";
        CPPUNIT_ASSERT(moments.haveHit());
    }

    TEST(survivesACrashOfTheServerAtAnyMoment)
    {
        constexpr int faults = rounds(100);
        JobsUnderFault jobs(connectionString());
        drawOut(jobs);
        RandomMoments moments([&] { return durationOfARun(jobs); }, faults, faults / 8);

        while (moments.areLeft()) {
            const auto moment = moments.next();
            jobs.topUp(3 * jobCount);
            std::jthread running([this](const std::stop_token& stop) {
                while (!detector().run(stop).error && !stop.stop_requested()) {
                }
            });
            std::this_thread::sleep_for(moment);
            jobs.expectNotified();
            moments.note(isTerminating());
            server().crash();
            running.join();
            server().start();
            reconnect();
            jobs.reconnect();
            jobs.expectNoneInBetween();
        }
        finish(jobs);
        figure() << "survived " << moments.taken() << " faults: the server crashed at a random moment (seed "
                 << moments.seed() << "), " << moments.hits() << " times during a termination; "
                 << jobs.terminated() << " jobs terminated, " << jobs.notNotified()
                 << " of them committed so late that the server could not notify any more\n";
        CPPUNIT_ASSERT(moments.haveHit());
    }

    TEST(isBoundByWhatItToldWhenTheServerCrashes)
    {
        constexpr int faults = rounds(10);
        JobsUnderFault jobs(connectionString());
        for (int i = 0; i < faults; ++i) {
            jobs.topUp(3);
            // Nothing may come in between that writes to the disk on its own account.
            CPPUNIT_ASSERT_EQUAL(std::size_t{3}, run().terminated.size());
            server().crash();
            server().start();
            reconnect();
            jobs.reconnect();
            CPPUNIT_ASSERT_EQUAL(0, jobs.left());
        }
        jobs.expectNothingLeft();
        figure() << "survived " << faults << " faults: the server crashed after a termination\n";
    }

    TEST(tellsInTheNextRunWhatGotNoAnswer)
    /// The server commits, and the network dies before its answer.
    {
        StallingProxy proxy(server().directory());
        settings().connection =
            ConnectionString::parse(connectionString(detectorRole) + " host=" + proxy.directory().string());
        settings().runTimeout = 2s;
        settings().interval = 1s;
        connectDetector();
        const std::string workspace = "0e1c1d3a-6a7e-4f0e-9c39-1a8c6b6c9a51";
        addFinishedBuild(workspace, 1, "state");
        const std::string build = addHungBuild(workspace, 2);
        const std::string import = addHungJob();
        database().addLog(import, "Parsing");
        proxy.fallSilentAfterStatement("will be terminated.");
        CPPUNIT_ASSERT(tryRun().error);
        CPPUNIT_ASSERT(isCompleted(build) && isCompleted(import));
        CPPUNIT_ASSERT(posted().terminated.empty());
        proxy.endSilence();

        CPPUNIT_ASSERT(run().terminated.empty()); // by this run
        const auto textOf = [](const Termination& job) {
            return job.jobId + ' ' + job.type + ' ' + job.stage + ' ' + job.workspaceId + ' ' +
                   std::to_string(job.buildNumber) + (job.state == BuildState::copied ? " copied" : "") +
                   (job.silent >= 600s && job.silent < 660s ? " silent" : "") +
                   (job.reason == Reason::hung ? " hung" : "") + (job.isAnswerLost ? " lost" : "");
        };
        std::vector<std::string> told;
        std::ranges::transform(posted().terminated, std::back_inserter(told), textOf);
        std::vector expected{build + " workspace_build Unknown " + workspace + " 2 copied silent hung lost",
                             import + " template_version_import Parsing  0 silent hung lost"};
        std::ranges::sort(told);
        std::ranges::sort(expected);
        CPPUNIT_ASSERT_EQUAL(expected, told);
        run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, posted().terminated.size());
        database().heartbeat(import);
        std::this_thread::sleep_for(1s);
        run();
        CPPUNIT_ASSERT_EQUAL(std::vector<std::string>{import + " reported"}, posted().revived);
    }

    TEST(tellsInTheNextRunWhatItCouldNotTell)
    /// As when memory is short while the rows are read.
    {
        Poco::NotificationCenter center;
        ShortOfMemory observer(center);
        const PostedNotifications told(center);
        HangDetector detector(settings(), center, nullptr, 0ms);
        addHungJobs(2);
        const RunStatistics failed = detector.run({});
        CPPUNIT_ASSERT_EQUAL(std::string("unexpected error: std::bad_alloc"), failed.error.value().cause);
        CPPUNIT_ASSERT(told.terminated.empty());
        detector.run({});
        detector.run({});
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, told.terminated.size());
        CPPUNIT_ASSERT(told.terminated.front().jobId != told.terminated.back().jobId);
    }

    TEST(countsNoTerminationOfAnotherDetector)
    /// The detector's own is taken back, without an answer.
    {
        connectDetector();
        const std::vector<std::string> jobs = addHungJobs(3);
        endSessionsThatTerminate(database());
        CPPUNIT_ASSERT(tryRun().error);
        endSessionsNoMore(database());
        // The time in which the answer was lost is known only about as exactly as an answer takes.
        std::this_thread::sleep_for(EarlierLooks::tolerance + 1s);
        const auto complete = [this](const std::string& job, const std::string& error) {
            database().execute(
                "UPDATE provisioner_jobs SET updated_at = now(), completed_at = now(), error = '" + error +
                "' WHERE id = '" + job + '\'');
        };
        complete(jobs[0], Sim::ContractTexts().error());
        complete(jobs[1], Sim::ContractTexts{.detector = "the reaper"}.error());
        CPPUNIT_ASSERT_EQUAL(std::vector{jobs[2]}, run().terminated);
        run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().terminated.size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, posted().skipped.size());
        CPPUNIT_ASSERT(posted().skipped.front().outcome == Outcome::completed);
    }

    void drawOut(JobsUnderFault& jobs)
    {
        settings().maxJobsPerRun = jobCount + 1;
        settings().massHangRatio = 0;
        jobs.drawOutTerminations();
    }

    RandomMoments::Moment durationOfARun(JobsUnderFault& jobs)
    /// Of one that connects and terminates all jobs but one that is refused.
    {
        const auto prepare = [&] {
            while (jobs.left() > 1)
                run();
            jobs.topUp(jobCount);
            forgetDetector();
        };
        return RandomMoments::durationOf(
            prepare, [&] { CPPUNIT_ASSERT_EQUAL(std::size_t{jobCount}, run().terminated.size()); });
    }

    void finish(JobsUnderFault& jobs)
    /// What a detector does that nothing befalls.
    {
        jobs.endDrawingOut();
        forgetDetector();
        for (int left = jobs.left(); left > 0; left -= settings().maxJobsPerRun)
            run();
        jobs.expectNothingLeft();
    }

    bool isTerminating()
    {
        return database().isTrue("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = $1 AND"
                                 " application_name = 'hang_detector' AND state = 'active'"
                                 " AND query LIKE '%pg_try_advisory_xact_lock%')",
                                 databaseName());
    }
};

} // namespace HangDetection::Test
