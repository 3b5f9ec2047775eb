#include "notification/RunLog.h"

#include "RecordingLogger.h"
#include "Suite.h"
#include "data/DatabaseError.h"

#include <algorithm>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class RunLogTest : public CppUnit::TestFixture
{
    TEST_SUITE(RunLogTest);

    void expect(Poco::Notification* notification, const std::string& line)
    {
        _center.postNotification(notification);
        CPPUNIT_ASSERT(!_log.lines().empty());
        CPPUNIT_ASSERT_EQUAL(line, _log.lines().back());
    }

    struct Failure
    {
        std::string cause;
        std::string sqlState;
        std::string advice = "see the server's log";
    };

    static RunFinished* failed(const Failure& failure)
    {
        const auto& [cause, sqlState, advice] = failure;
        const DatabaseError error(DatabaseError::Scope::database, cause, sqlState, advice);
        RunStatistics statistics;
        statistics.error = RunError{cause, sqlState, advice, error.kind(), true};
        statistics.duration = 3ms;
        return new RunFinished(statistics);
    }

    TEST(writesALineForEachJobTerminated)
    {
        Termination job;
        job.jobId = "1";
        job.outcome = Outcome::terminated;
        job.type = "template_version_import";
        job.silent = 301s;
        job.stage = "Unknown";
        const auto expectBoth = [&](const std::string& pairs) {
            expect(new JobTerminated(job, 300s), "information: job terminated job_id=1 " + pairs);
            expect(new JobWouldBeTerminated(job, 300s), "information: would terminate job_id=1 " + pairs);
        };
        expectBoth(
            "reason=hung type=template_version_import silent_s=301 threshold_s=300 stage=Unknown state=none");
        job.reason = Reason::pending;
        job.type = "workspace_build";
        job.stage = "Starting workspace";
        job.workspaceId = "2";
        job.buildNumber = 7;
        job.state = BuildState::copied;
        const std::string build = "reason=pending type=workspace_build silent_s=301 threshold_s=300 "
                                  "stage=\"Starting workspace\" workspace_id=2 build_number=7 state=";
        expectBoth(build + "copied");
        job.state = BuildState::kept;
        job.workspace = "my thesis";
        job.owner = "ada";
        job.templateName = "gpu\nlarge";
        expectBoth(build + R"(kept workspace="my thesis" owner=ada template="gpu\nlarge")");
        job.isAnswerLost = true;
        expectBoth(build +
                   R"(kept workspace="my thesis" owner=ada template="gpu\nlarge" note="the answer of )"
                   "the database was lost; another detector with the same threshold may have "
                   "terminated the job in that moment\"");
    }

    TEST(writesALineForEachJobCanceled)
    {
        Termination job;
        job.jobId = "1";
        job.outcome = Outcome::canceled;
        job.isCancel = true;
        job.type = "workspace_build";
        job.silent = 7201s;
        job.stage = "Applying";
        job.workspaceId = "2";
        job.buildNumber = 7;
        job.workspace = "thesis";
        job.owner = "ada";
        const std::string pairs = " job_id=1 type=workspace_build log_silent_s=7201 threshold_s=7200 "
                                  "stage=Applying workspace_id=2 build_number=7 workspace=thesis owner=ada";
        expect(new JobCanceled(job, 7200s), "information: job canceled" + pairs);
        expect(new JobWouldBeCanceled(job, 7200s), "information: would cancel" + pairs);
        expect(new CancelFollowed("1", 42s), "debug: canceled job is over job_id=1 after_s=42");
        expect(
            new CancelIgnored(job, 301s),
            "warning: canceled job still runs job_id=1 canceled_s=301 workspace=thesis owner=ada "
            "advice=\"its "
            "worker reports, but does not stop; look at Terraform there, or end the worker: then the job is "
            "terminated as hung\"");
        job = {};
        job.jobId = "1";
        job.isCancel = true;
        job.isAnswerLost = true;
        expect(new JobCanceled(job, 7200s),
               "information: job canceled job_id=1 note=\"the answer of the database was lost\"");
        job.error = "no";
        expect(new JobFailed(job, false), "error: job not canceled job_id=1 error=no");
        expect(new StallsUnknown("no", "so"), "warning: stalled jobs are left alone error=no advice=so");
    }

    TEST(writesALineForEachJobThatIsLeft)
    {
        Termination job;
        job.jobId = "1";
        job.outcome = Outcome::notStarted;
        expect(new JobSkipped(job), "debug: job skipped job_id=1 cause=not_started");
        job.error = "no\nway";
        const std::string line = R"(: job not terminated job_id=1 error="no\nway")";
        expect(new JobFailed(job, false), "error" + line);
        job.sqlState = "P0001";
        expect(new JobFailed(job, true), "debug" + line + " sqlstate=P0001");
    }

    TEST(warnsOfAMassHangAndSaysWhenItIsOver)
    {
        for (const bool isDryRun : {false, true}) {
            expect(new MassHangBegan({.running = 40, .silent = 30, .hung = 2}, 300s, isDryRun),
                   std::string("warning: mass hang, no job ") +
                       (isDryRun ? "would be terminated" : "is terminated") +
                       " for now hung=2 silent=30 running=40 hold_s=300 advice=\"something upstream of the "
                       "jobs is probably down, such as the Coder server or its way to the database; jobs "
                       "that report again within hold_s are spared\"");
            expect(new MassHangEnded({.running = 40, .silent = 4, .hung = 3}, isDryRun),
                   std::string("information: mass hang over, hung jobs ") + (isDryRun ? "would be" : "are") +
                       " terminated again hung=3 silent=4 running=40");
        }
    }

    TEST(warnsOfAMassStallAndSaysWhenItIsOver)
    {
        for (const bool isDryRun : {false, true}) {
            expect(
                new MassStallBegan({.running = 40, .stalled = 30}, 7200s, isDryRun),
                std::string("warning: mass stall, no job ") +
                    (isDryRun ? "would be canceled" : "is canceled") +
                    " for now stalled=30 running=40 hold_s=7200 advice=\"something that the jobs wait for is "
                    "probably stuck, such as a cloud or a registry; jobs that go on within hold_s are "
                    "spared\"");
            expect(new MassStallEnded({.running = 40, .stalled = 4}, isDryRun),
                   std::string("information: mass stall over, stalled jobs ") +
                       (isDryRun ? "would be" : "are") + " canceled again stalled=4 running=40");
        }
    }

    TEST(writesALineForEachRun)
    {
        RunStatistics run;
        const auto expectLine = [&](const std::string& line) { expect(new RunFinished(run), line); };
        expectLine("debug: run finished terminated=0 hung=0 locked=0 ineligible=0 failed=0 duration_ms=0");
        run.jobs.pending = 3;
        expectLine("information: run finished terminated=0 hung=0 pending=3 locked=0 ineligible=0 failed=0 "
                   "duration_ms=0");
        run = {};
        run.jobs.hung = 30;
        run.held = true;
        expectLine("debug: run finished terminated=0 hung=30 locked=0 ineligible=0 failed=0 duration_ms=0");
        run = {};
        run.terminated = {"1", "2"};
        run.jobs.hung = 12;
        run.locked = 3;
        run.ineligible = 4;
        run.suspended = 1;
        run.failed = 5;
        run.duration = 6ms;
        expectLine("information: run finished terminated=2 hung=12 locked=3 ineligible=4 suspended=1 "
                   "failed=5 duration_ms=6");
        run = {};
        run.dryRun = true;
        run.wouldTerminate = 2;
        run.jobs.hung = 12;
        expectLine("information: run finished would_terminate=2 hung=12 locked=0 ineligible=0 failed=0 "
                   "duration_ms=0");
        expectLine(
            "debug: run finished would_terminate=2 hung=12 locked=0 ineligible=0 failed=0 duration_ms=0");
        run.suspended = 1;
        expectLine(
            "information: run finished would_terminate=2 hung=12 locked=0 ineligible=0 suspended=1 failed=0 "
            "duration_ms=0");
        run = {};
        run.jobs.stalled = 3;
        const std::string rest = " stalled=3 locked=0 ineligible=0 failed=0 duration_ms=0";
        expectLine("debug: run finished terminated=0 hung=0 canceled=0" + rest);
        run.canceled = 2;
        expectLine("information: run finished terminated=0 hung=0 canceled=2" + rest);
        run.dryRun = true;
        run.wouldCancel = 1;
        expectLine("information: run finished would_terminate=0 hung=0 would_cancel=1" + rest);
        run.stopped = true;
        expectLine("debug: run stopped");
    }

    TEST(warnsOnceOfWhatSlurmRefuses)
    {
        expect(new AllocationReleased(Mark{.text = "1"}, "12"),
               "information: allocation released job_id=1 slurm_job=12");
        const std::string line =
            "allocation not released job_id=1 slurm_job=12 error=\"Access/permission denied\"";
        expect(new AllocationKept(Mark{.text = "1"}, "12", "Access/permission denied", false),
               "warning: " + line);
        expect(new AllocationKept(Mark{.text = "1"}, "12", "Access/permission denied", true),
               "debug: " + line);
        expect(
            new AllocationsUnknown("Unable to contact slurm controller"),
            "warning: allocations unknown error=\"Unable to contact slurm controller\" advice=\"jobs are "
            "terminated as without Slurm, except those that were suspended at its last answer; allocations "
            "are released when it lists its jobs again\"");
        expect(new AllocationsKnown, "information: allocations known again");
    }

    TEST(saysWhatItIsConnectedTo)
    {
        const JobCounts jobs{.running = 12, .hung = 3};
        expect(new DatabaseConnected({"db.example.org:5432", "TLSv1.3", "2026"}, jobs),
               "information: database connected server=db.example.org:5432 tls=TLSv1.3 schema=2026 "
               "running=12 hung=3");
        expect(new DatabaseConnected({"/run/postgresql:5432", "", "2023"}, jobs),
               "information: database connected server=/run/postgresql:5432 tls=no schema=2023 running=12 "
               "hung=3");
    }

    TEST(tellsHowAWorkerEnded)
    {
        Termination job;
        job.jobId = "1";
        job.reason = Reason::ended;
        job.type = "workspace_build";
        job.silent = 31s;
        job.stage = "Planning";
        job.workerEnd = {"123_4", "NODE_FAIL"};
        job.daemon = "daemon 1";
        job.daemonSeen = 70s;
        expect(
            new JobTerminated(job, 30s),
            "information: job terminated job_id=1 reason=ended slurm_job=123_4 slurm_state=NODE_FAIL "
            "type=workspace_build silent_s=31 threshold_s=30 stage=Planning state=none daemon=\"daemon 1\" "
            "daemon_seen_s=70");
        expect(
            new WorkerOutlivedItsEnd("1", {"7", "FAILED"}),
            "warning: job reports although its Slurm job has ended job_id=1 slurm_job=7 slurm_state=FAILED "
            "advice=\"the mark of that Slurm job is wrong, and is ignored; find out who runs the job, and "
            "correct the mark\"");
        expect(new JobWithoutAllocation({"1", "", WorkerEnd{"7", "FAILED"}}),
               "warning: job is silent since its Slurm job ended job_id=1 slurm_job=7 slurm_state=FAILED "
               "advice=\"EndedJobDuration would terminate it now, and not only after HungJobDuration\"");
        expect(
            new AllocationLeftover("1", "7"),
            "warning: Slurm job is left over job_id=1 slurm_job=7 advice=\"its provisioner job was over long "
            "ago; see whether anybody needs it, or scancel it\"");
        expect(new DaemonsUnknown("permission denied"),
               "warning: marks with provisioner_daemon= mean nothing error=\"permission denied\" "
               "advice=\"run the "
               "hang detector's role.sql again; it grants what they need, where Coder has "
               "provisioner_daemons\"");
        expect(new AllocationReleased({Mark::Kind::daemon, "a b"}, "7"),
               "information: allocation released daemon=\"a b\" slurm_job=7");
    }

    TEST(tellsOfWhatTheOperatorCanSetRight)
    {
        expect(new JobRevived({"1", true}),
               "warning: job was alive although it was terminated job_id=1 since_then=succeeded advice=\"its "
               "worker was cut off for longer than the threshold; find out why, or raise the threshold\"");
        expect(
            new IndexMissing(120ms),
            "information: search takes long without an index search_ms=120 advice=\"run the hang detector's "
            "role.sql again; if Coder has no index on job_status, let the owner of its tables run "
            "index.sql\"");
        const std::string locked = "warning: job is locked by another session job_id=1 locked_s=3600 ";
        const std::string endIt = "advice=\"a hung job cannot be terminated while it is locked; end that "
                                  "session, see pg_locks and pg_stat_activity\"";
        expect(new JobLockedLong("1", 1h, std::nullopt), locked + endIt);
        expect(new JobLockedLong("1", 1h, LockHolder{7, "ada", ""}),
               locked + "pid=7 role=ada application=\"\" " + endIt);
        expect(new ClockLagBegan(330s),
               "warning: heartbeats have times of the past lag_s=330 advice=\"the clock of the Coder server "
               "is behind that of the database; set it right. Until then jobs are hung only that much "
               "later\"");
        expect(new ClockLagEnded, "information: heartbeats are on time again");
        expect(new SilenceNotCounted(66s), "information: workers could not report for a while, this does not "
                                           "count as silence gap_s=66");
    }

    void expectWarnings(std::ptrdiff_t expected, const std::vector<Failure>& failures)
    /// In one outage.
    {
        _center.postNotification(new RunFinished(RunStatistics{}));
        const auto before = warnings();
        for (const Failure& failure : failures)
            _center.postNotification(failed(failure));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(failures.front().cause, expected, warnings() - before);
    }

    TEST(warnsOnceOfEachCauseOfAnOutage)
    {
        const Failure down{"server is down", "42P01"};
        expect(failed(down), "warning: run failed error=\"server is down\" sqlstate=42P01 advice=\"see the "
                             "server's log\" duration_ms=3");
        const Failure noTable{"no such table", "42P01"};
        expectWarnings(2, {down, noTable, down, noTable});
        expectWarnings(1, {noTable});
        // Of a cause whose numbers change.
        expectWarnings(1,
                       {{"no space left for block 7", "53100"}, {"no space left for block 4711", "53100"}});
        // Of a server that goes and comes.
        const Failure refused{"connection refused", ""};
        expectWarnings(1, {{"terminating connection due to administrator command", "57P01"},
                           {"the connection to the database was lost", ""},
                           refused,
                           {"the database system is starting up", "57P03"}});
        // Of a pooler that shares out sessions.
        expectWarnings(1, {{"prepared statement \"a1b2\" does not exist", "26000"},
                           {"prepared statement \"c3d4\" does not exist", "26000"},
                           {"prepared statement \"statement_2\" already exists", "42P05"}});
        // Of a server that is back with another error.
        expectWarnings(3, {refused,
                           {"password authentication failed", "28P01"},
                           {"session is read-only", "", "let Connection name the primary"}});
        std::vector<Failure> many;
        for (char c = 'a'; c < 'u'; ++c)
            many.push_back({std::string("no table ") + c, "42P01"});
        expectWarnings(5, many);
    }

    TEST(saysWhatIsOver)
    {
        RunStatistics unexpected;
        const auto endsWith = [&](const std::string& event) {
            _center.postNotification(new RunFinished(RunStatistics{}));
            const auto lines = _log.lines();
            const std::string& line = lines.at(lines.size() - 2);
            CPPUNIT_ASSERT_MESSAGE(line, line.starts_with("information: " + event));
        };
        // An error whose numbers change is logged once.
        const auto before = warnings();
        for (const std::string number : {"1", "23"}) {
            unexpected.error = RunError{"unexpected error: " + number + " bytes"};
            _center.postNotification(new RunFinished(unexpected));
        }
        CPPUNIT_ASSERT_EQUAL(before + 1, warnings());
        endsWith("runs succeed again failed_runs=2");
        RunStatistics shortage;
        shortage.error = RunError{"Too many open files"};
        _center.postNotification(new RunFinished(shortage));
        endsWith("runs succeed again failed_runs=1");
        _center.postNotification(new RunFinished(shortage));
        _center.postNotification(failed({"connection refused", ""}));
        _center.postNotification(new RunFinished(unexpected));
        endsWith("database answers again failed_runs=3");
    }

    std::ptrdiff_t warnings() const
    {
        return std::ranges::count_if(_log.lines(),
                                     [](const std::string& line) { return line.starts_with("warning: "); });
    }

    RecordingLogger _log;
    Poco::NotificationCenter _center;
    RunLog _runLog{_center, _log.logger()};
};

} // namespace HangDetection::Test
