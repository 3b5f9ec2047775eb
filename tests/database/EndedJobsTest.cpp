#include "DatabaseFixture.h"
#include "Figure.h"
#include "ScriptedSlurm.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class EndedJobsTest : public DatabaseFixture
/// Jobs whose Slurm jobs have ended. WorkerEndsTest has what proves an end; tests/slurm has a real Slurm.
{
    TEST_SUITE(EndedJobsTest);

public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        settings().endedJobDuration = WorkerEnds::tolerance; // less than operators may set
        settings().trustedUsers = {{"trusted", trusted}};
        useSlurm(std::make_unique<ScriptedSlurm>(_slurm));
    }

private:
    using Lines = std::vector<std::string>;

    static constexpr std::uint32_t trusted = 1000;

    std::string addRunning(const std::optional<std::string>& worker = std::nullopt)
    /// Silent for a minute.
    {
        return database().addJob({.updatedAgo = "1 minute", .worker = worker});
    }

    SchedulerJob& list(const Mark& mark)
    /// A Slurm job that has run for an hour.
    {
        SchedulerJob& job = _slurm.marked.emplace_back();
        job.name = std::to_string(_slurm.marked.size());
        job.mark = mark;
        job.user = trusted;
        job.startedAgo = 1h;
        return job;
    }

    SchedulerJob& listEnded(const Mark& mark)
    /// One that has ended 50 seconds ago.
    {
        SchedulerJob& job = list(mark);
        job.endedAgo = 50s;
        job.state = "NODE_FAIL";
        return job;
    }

    static Mark ofDaemon(const std::string& name) { return {Mark::Kind::daemon, name}; }

    std::string addJobOf(const std::string& daemon) { return addRunning(database().addDaemon(daemon)); }

    RunStatistics runTwice()
    /// With the time between that shows silence.
    {
        detector().run({});
        std::this_thread::sleep_for(WorkerEnds::tolerance);
        return detector().run({});
    }

    std::set<std::string> terminatedByTwoRuns()
    {
        const RunStatistics statistics = runTwice();
        CPPUNIT_ASSERT(!statistics.error);
        return {statistics.terminated.begin(), statistics.terminated.end()};
    }

    TEST(terminatesWhatHasEndedAndNothingElse)
    {
        std::set<std::string> ended;
        std::vector<std::string> others;
        ended.insert(addRunning());
        listEnded({.text = *ended.begin()});
        // Every printable character that can stand in a comment, and some that are not ASCII.
        std::string printable;
        for (char c = '!'; c <= '~'; ++c)
            printable += c == ',' || c == ';' ? "" : std::string(1, c);
        for (const std::string& name : {std::string("daemon"), std::string("größe-日本"),
                                        printable.substr(0, 64), printable.substr(64)}) {
            ended.insert(addJobOf(name));
            listEnded(ofDaemon(name));
        }
        listEnded(ofDaemon("\xff not UTF-8"));
        listEnded(ofDaemon("nobody"));

        others.push_back(addJobOf("shared"));
        others.push_back(addJobOf("shared"));
        listEnded(ofDaemon("shared"));
        others.push_back(addJobOf("of a stranger"));
        listEnded(ofDaemon("of a stranger")).user = trusted + 1;
        others.push_back(addJobOf("suspended"));
        list(ofDaemon("suspended")).isSuspended = true;
        others.push_back(addJobOf("runs"));
        list(ofDaemon("runs"));
        others.push_back(addJobOf("twice"));
        listEnded(ofDaemon("twice"));
        list(ofDaemon("twice"));
        // One mark names the job, and the other one its daemon.
        others.push_back(addJobOf("helped"));
        listEnded({.text = others.back()});
        list(ofDaemon("helped"));
        others.push_back(addJobOf("helper"));
        list({.text = others.back()});
        listEnded(ofDaemon("helper"));
        others.push_back(database().addJob({.startedAgo = std::nullopt, .updatedAgo = "1 minute"}));
        listEnded({.text = others.back()});
        others.push_back(addRunning());

        CPPUNIT_ASSERT(ended == terminatedByTwoRuns());
        for (const std::string& job : others)
            CPPUNIT_ASSERT(!isCompleted(job));
        CPPUNIT_ASSERT(posted().outlived.empty());
        CPPUNIT_ASSERT(posted().daemonsUnknown.empty());
    }

    TEST(saysHowTheWorkerEnded)
    {
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        const std::string job = database().addBuildJob(
            {.updatedAgo = "1 minute"}, {.jobId = "", .workspaceId = workspace, .buildNumber = 2});
        listEnded({.text = job}).name = "123_4";
        CPPUNIT_ASSERT(std::set{job} == terminatedByTwoRuns());
        const std::string start = "Coder: Build has been detected as dead (Slurm job 123_4: NODE_FAIL) and ";
        CPPUNIT_ASSERT_EQUAL(Text(start + "has been terminated by hang detector."), jobColumn(job, "error"));
        CPPUNIT_ASSERT_EQUAL(start + "will be terminated.", database().logs(job).at(2).output);
        CPPUNIT_ASSERT_EQUAL(Text("a state"), buildState(job));
        const Termination& told = posted().terminated.at(0);
        CPPUNIT_ASSERT(told.reason == Reason::ended);
        CPPUNIT_ASSERT((told.workerEnd == WorkerEnd{"123_4", "NODE_FAIL"}));
    }

    TEST(knowsAnEndThatSlurmHasForgotten)
    {
        const std::string job = addRunning();
        listEnded({.text = job});
        detector().run({});
        _slurm.marked.clear();
        CPPUNIT_ASSERT(std::set{job} == terminatedByTwoRuns());
    }

    TEST(watchesAnewAfterARestart)
    /// What was seen before is not known any more.
    {
        const std::string job = addRunning();
        listEnded({.text = job});
        detector().run({});
        forgetDetector();
        useSlurm(std::make_unique<ScriptedSlurm>(_slurm));
        std::this_thread::sleep_for(WorkerEnds::tolerance);
        CPPUNIT_ASSERT(detector().run({}).terminated.empty());
        CPPUNIT_ASSERT(std::set{job} == terminatedByTwoRuns());
    }

    TEST(saysWhatIsLeftOver)
    /// Of jobs that are over, and of Slurm jobs that have ended, each once.
    {
        settings().endedJobDuration = 0s;
        settings().trustedUsers = {};
        settings().releaseAllocations = true;
        const std::string over = database().addJob({.completedAgo = "6 minutes"});
        list({.text = over});
        list({.text = database().addJob({.completedAgo = "4 minutes"})});
        const std::string silent = database().addJob({.updatedAgo = "2 minutes"});
        listEnded({.text = silent}).endedAgo = 100s;
        runTwice();
        runTwice();
        CPPUNIT_ASSERT_EQUAL(Lines{"1 of " + over}, posted().leftover);
        CPPUNIT_ASSERT_EQUAL(Lines{silent + " since 3 is NODE_FAIL"}, posted().withoutAllocation);
        CPPUNIT_ASSERT(posted().finished.back().leftover == 1);
        CPPUNIT_ASSERT(posted().finished.back().withoutAllocation == 1);
        CPPUNIT_ASSERT(posted().terminated.empty());
        _slurm.marked.clear();
        run();
        CPPUNIT_ASSERT(posted().finished.back().leftover == 0);
    }

    TEST(bearsMarksByTheThousand)
    {
        settings().maxJobsPerRun = 10000;
        settings().massHangRatio = 0;
        database().execute(
            "INSERT INTO provisioner_daemons (id, name) SELECT gen_random_uuid(), 'daemon ' || i "
            "FROM generate_series(1, 3000) AS i");
        database().execute(
            "INSERT INTO provisioner_jobs (id, created_at, updated_at, started_at, organization_id, "
            "initiator_id, file_id, provisioner, storage_method, type, worker_id) "
            "SELECT gen_random_uuid(), now(), now() - interval '1 minute', now() - interval '1 hour', "
            "id, id, id, 'terraform', 'file', 'template_version_import', id FROM provisioner_daemons");
        for (int i = 1; i <= 6000; ++i) {
            const Mark mark = ofDaemon("daemon " + std::to_string(i));
            i % 2 == 0 ? listEnded(mark) : list(mark);
        }
        const auto start = std::chrono::steady_clock::now();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1500}, terminatedByTwoRuns().size());
        figure()
            << "6,000 Slurm jobs with marks, 3,000 of them ended: 1,500 jobs terminated by two runs, after "
            << std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - start)
                   .count()
            << " s, 5 of them between the runs\n";
    }

    TEST(leavesAJobThatReports)
    /// Also when it does so rarely, and when it does so only after the search.
    {
        const std::string rare = addJobOf("rare");
        listEnded(ofDaemon("rare"));
        detector().run({});
        database().execute("UPDATE provisioner_jobs SET updated_at = now() - interval '30 seconds'");
        std::this_thread::sleep_for(WorkerEnds::tolerance);
        for (int i = 0; i < 2; ++i)
            CPPUNIT_ASSERT(detector().run({}).terminated.empty());
        CPPUNIT_ASSERT_EQUAL(Lines{rare + " although 1 is NODE_FAIL"}, posted().outlived);

        const std::string late = addJobOf("late");
        listEnded(ofDaemon("late"));
        JobStore store(ConnectionString::parse(connectionString(detectorRole)), patience);
        store.open({});
        const SeenJob seen{late, jobColumn(late, "updated_at").value(), WorkerEnd{"2", "FAILED"}};
        database().heartbeat(late);
        store.terminate(std::vector{seen}, {.hung = 300s, .ended = 10s}, [](const Termination& answer) {
            CPPUNIT_ASSERT(answer.outcome == Outcome::reported);
        });
    }

    TEST(asksTheDatabaseOnlyOfWhatHasEnded)
    {
        addJobOf("runs");
        list(ofDaemon("runs"));
        database().execute("DROP TABLE provisioner_daemons");
        runTwice();
        CPPUNIT_ASSERT(posted().daemonsUnknown.empty());
    }

    TEST(goesOnWithoutATableOfDaemons)
    {
        const std::string job = addRunning();
        listEnded({.text = job});
        addJobOf("daemon");
        listEnded(ofDaemon("daemon"));
        for (const char* const change :
             {"REVOKE ALL ON provisioner_daemons FROM hang_detector", "DROP TABLE provisioner_daemons"}) {
            database().execute(change);
            runTwice();
        }
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(Lines{"permission denied for table provisioner_daemons"},
                             posted().daemonsUnknown);
    }

    TEST(countsNoEndForAMassHang)
    {
        settings().maxJobsPerRun = 100;
        for (const std::string& job : addHungJobs(25))
            listEnded({.text = job});
        addHungJobs(5);
        CPPUNIT_ASSERT_EQUAL(std::size_t{30}, run().terminated.size());
    }

    TEST(terminatesWhatHasEndedDuringAMassHang)
    {
        addHungJobs(25);
        const std::string job = addRunning();
        listEnded({.text = job});
        CPPUNIT_ASSERT(std::set{job} == terminatedByTwoRuns());
        CPPUNIT_ASSERT(posted().finished.back().held);
    }

    TEST(sharesThePlacesOfARun)
    {
        settings().massHangRatio = 0;
        settings().maxJobsPerRun = 4;
        addHungJobs(9);
        for (int i = 0; i < 9; ++i)
            listEnded({.text = addRunning()});
        runTwice();
        const auto& terminated = posted().terminated;
        CPPUNIT_ASSERT_EQUAL(std::size_t{8}, terminated.size());
        CPPUNIT_ASSERT_EQUAL(std::ptrdiff_t{2},
                             std::ranges::count(terminated, Reason::ended, &Termination::reason));
        CPPUNIT_ASSERT_EQUAL(std::int64_t{10}, posted().finished.back().left);
    }

    TEST(asksAgainAfterAQuestionThatFailed)
    {
        const std::string job = addRunning();
        listEnded({.text = job});
        _slurm.askError = "Unable to contact slurm controller";
        detector().run({});
        _slurm.askError.clear();
        CPPUNIT_ASSERT(std::set{job} == terminatedByTwoRuns());
    }

    TEST(forgetsTheEndsOfUsersWhoAreNotTrustedAnyMore)
    {
        const std::string job = addRunning();
        listEnded({.text = job});
        detector().run({});
        change(&Settings::trustedUsers, {{"another", trusted + 1}});
        CPPUNIT_ASSERT(terminatedByTwoRuns().empty());
    }

    TEST(changesNothingInADryRun)
    {
        settings().dryRun = true;
        const std::string job = addRunning();
        listEnded({.text = job});
        runTwice();
        CPPUNIT_ASSERT(!isCompleted(job));
        CPPUNIT_ASSERT(posted().wouldBeTerminated.at(0).reason == Reason::ended);
    }

    TEST(releasesADaemonsSlurmJobWithItsHungJob)
    /// Unless the daemon runs another one by now. One that was requeued, or came later, is not cancelled.
    {
        settings().releaseAllocations = true;
        const std::string free = database().addDaemon("free");
        database().addJob({.worker = free});
        database().addJob({.completedAgo = "1 hour", .worker = free});
        list(ofDaemon("free"));
        // By a clock that may be ahead, this one began to run before the last report.
        list(ofDaemon("free")).startedAgo = 10min + 10s;
        SchedulerJob& requeued = list(ofDaemon("free"));
        requeued.isWaiting = true;
        requeued.startedAgo = std::nullopt;
        const std::string busy = database().addDaemon("busy");
        const std::string hung = database().addJob({.worker = busy});
        list(ofDaemon("busy"));
        // It takes the next one when it learns that its job has failed.
        database().execute(
            "CREATE FUNCTION take() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$BEGIN UPDATE "
            "provisioner_jobs SET started_at = now(), updated_at = now(), worker_id = '" +
            busy + "' WHERE started_at IS NULL; RETURN NULL; END$$");
        database().execute(
            "CREATE TRIGGER take AFTER UPDATE ON provisioner_jobs FOR EACH ROW WHEN (new.id = '" + hung +
            "') EXECUTE FUNCTION take()");
        database().addJob({.startedAgo = std::nullopt, .updatedAgo = "0"});
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, run().terminated.size());
        CPPUNIT_ASSERT_EQUAL(Lines{"1 of free released"}, posted().allocations);
    }

    TEST(explainsASilenceOnlyByMarksOfTrustedUsers)
    {
        const std::string explained = database().addJob({.worker = database().addDaemon("daemon")});
        list(ofDaemon("daemon")).isSuspended = true;
        const std::string stranger = addHungJob();
        SchedulerJob& job = list({.text = stranger});
        job.isSuspended = true;
        job.user = trusted + 1;
        CPPUNIT_ASSERT_EQUAL(Lines{stranger}, run().terminated);
        CPPUNIT_ASSERT(!isCompleted(explained));
        change(&Settings::endedJobDuration, 0s);
        change(&Settings::releaseAllocations, true);
        change(&Settings::trustedUsers, {});
        const std::string another = addHungJob();
        _slurm.marked.back().mark.text = another;
        CPPUNIT_ASSERT(run().terminated.empty());
        CPPUNIT_ASSERT(!isCompleted(another));
    }

    TEST(looksThreeTimesInTheDuration)
    {
        settings().endedJobDuration = 30s;
        CPPUNIT_ASSERT(run().pause == 10s);
        listEnded({.text = addRunning()}).endedAgo = 2s;
        ++_slurm.marksSeen;
        CPPUNIT_ASSERT(run().pause <= 3s);
    }

    SlurmScript _slurm;
};

} // namespace HangDetection::Test
