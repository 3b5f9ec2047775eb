#include "notification/RunLog.h"

#include "RecordingLogger.h"
#include "data/DatabaseError.h"

#include <Poco/NotificationCenter.h>
#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <string>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class RunLogTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(RunLogTest);
    CPPUNIT_TEST(writesALineForEachJobTerminated);
    CPPUNIT_TEST(tellsOfAJobThatWasAlive);
    CPPUNIT_TEST(notesSkippedJobsAtDebugLevel);
    CPPUNIT_TEST(reportsAJobThatFailed);
    CPPUNIT_TEST(warnsOfAMassHangAndSaysWhenItIsOver);
    CPPUNIT_TEST(writesALineForEachRun);
    CPPUNIT_TEST(warnsOnceOfWhatSlurmRefuses);
    CPPUNIT_TEST(saysWhichIndexIsMissing);
    CPPUNIT_TEST(warnsOnceOfAnOutageAndSaysWhenItIsOver);
    CPPUNIT_TEST(warnsOnceOfEachCauseOfAnOutage);
    CPPUNIT_TEST(warnsOnceOfACauseWhoseNumbersChange);
    CPPUNIT_TEST(warnsOnceOfAServerThatGoesAndComes);
    CPPUNIT_TEST(warnsOnceOfAPoolerThatSharesOutSessions);
    CPPUNIT_TEST(tellsOfHeartbeatsWithTimesOfThePast);
    CPPUNIT_TEST(warnsAgainWhenTheServerIsBackWithAnotherError);
    CPPUNIT_TEST(warnsOfFiveCausesOfAnOutageAtMost);
    CPPUNIT_TEST_SUITE_END();

    void assertLogged(const std::string& line) const
    {
        CPPUNIT_ASSERT(!_log.lines().empty());
        CPPUNIT_ASSERT_EQUAL(line, _log.lines().back());
    }

    void finish(const RunStatistics& statistics) { _center.postNotification(new RunFinished(statistics)); }

    static RunStatistics failed(const std::string& cause, const std::string& sqlState = "42P01",
                                const std::string& advice = "see the server's log")
    {
        const DatabaseError error(DatabaseError::Scope::database, cause, sqlState, advice);
        RunStatistics statistics;
        statistics.error = RunError{cause, sqlState, advice, error.kind()};
        statistics.duration = 3ms;
        return statistics;
    }

    void writesALineForEachJobTerminated()
    {
        Termination job;
        job.jobId = "1";
        job.outcome = Outcome::terminated;
        job.type = "template_version_import";
        job.silent = 301s;
        job.stage = "Unknown";
        const auto expect = [&](const std::string& pairs) {
            _center.postNotification(new JobTerminated(job, 300s));
            assertLogged("information: job terminated job_id=1 " + pairs);
            _center.postNotification(new JobWouldBeTerminated(job, 300s));
            assertLogged("information: would terminate job_id=1 " + pairs);
        };
        expect(
            "reason=hung type=template_version_import silent_s=301 threshold_s=300 stage=Unknown state=none");
        job.reason = Reason::pending;
        expect("reason=pending type=template_version_import silent_s=301 threshold_s=300 stage=Unknown "
               "state=none");
        job.reason = Reason::hung;
        job.type = "workspace_build";
        job.stage = "Starting workspace";
        job.workspaceId = "2";
        job.buildNumber = 7;
        job.state = BuildState::copied;
        const std::string build = "reason=hung type=workspace_build silent_s=301 threshold_s=300 "
                                  "stage=\"Starting workspace\" workspace_id=2 build_number=7 state=";
        expect(build + "copied");
        job.state = BuildState::kept;
        job.workspace = "my thesis";
        job.owner = "ada";
        job.templateName = "gpu\nlarge";
        expect(build + R"(kept workspace="my thesis" owner=ada template="gpu\nlarge")");
    }

    void tellsOfAJobThatWasAlive()
    {
        _center.postNotification(new JobRevived({"1", true}));
        assertLogged("warning: job was alive although it was terminated job_id=1 since_then=succeeded "
                     "advice=\"its worker was cut off for longer than the threshold; find out why, or raise "
                     "the threshold\"");
    }

    void notesSkippedJobsAtDebugLevel()
    {
        Termination job;
        job.jobId = "1";
        for (const auto& [outcome, cause] : {std::pair(Outcome::locked, "locked"),
                                             {Outcome::missing, "missing"},
                                             {Outcome::notStarted, "not_started"},
                                             {Outcome::completed, "completed"},
                                             {Outcome::reported, "reported"}}) {
            job.outcome = outcome;
            _center.postNotification(new JobSkipped(job));
            assertLogged(std::string("debug: job skipped job_id=1 cause=") + cause);
        }
    }

    void reportsAJobThatFailed()
    {
        Termination job;
        job.jobId = "1";
        job.error = "no\nway";
        job.sqlState = "P0001";
        _center.postNotification(new JobFailed(job, false));
        assertLogged(R"(error: job not terminated job_id=1 error="no\nway" sqlstate=P0001)");
        job.sqlState.clear();
        for (const bool isKnown : {false, true}) {
            _center.postNotification(new JobFailed(job, isKnown));
            assertLogged(std::string(isKnown ? "debug" : "error") +
                         R"(: job not terminated job_id=1 error="no\nway")");
        }
    }

    void warnsOfAMassHangAndSaysWhenItIsOver()
    {
        for (const bool isDryRun : {false, true}) {
            const std::string terminated = isDryRun ? "would be terminated" : "is terminated";
            _center.postNotification(
                new MassHangBegan({.running = 40, .silent = 30, .hung = 2}, 300s, isDryRun));
            CPPUNIT_ASSERT(_log.lines().back().starts_with(
                "warning: mass hang, no job " + terminated +
                " for now hung=2 silent=30 running=40 hold_s=300 advice=\"something upstream"));
            _center.postNotification(new MassHangEnded({.running = 40, .silent = 4, .hung = 3}, isDryRun));
            assertLogged(std::string("information: mass hang over, hung jobs ") +
                         (isDryRun ? "would be" : "are") + " terminated again hung=3 silent=4 running=40");
        }
    }

    void writesALineForEachRun()
    {
        RunStatistics run;
        const auto expect = [&](const std::string& line) {
            finish(run);
            assertLogged(line);
        };
        expect("debug: run finished terminated=0 hung=0 locked=0 ineligible=0 failed=0 duration_ms=0");
        run.jobs.pending = 0;
        expect(
            "debug: run finished terminated=0 hung=0 pending=0 locked=0 ineligible=0 failed=0 duration_ms=0");
        run.jobs.pending = 3;
        expect("information: run finished terminated=0 hung=0 pending=3 locked=0 ineligible=0 failed=0 "
               "duration_ms=0");
        run = {};
        run.jobs.hung = 30;
        run.held = true;
        expect("debug: run finished terminated=0 hung=30 locked=0 ineligible=0 failed=0 duration_ms=0");
        run = {};
        run.terminated = {"1", "2"};
        run.jobs.hung = 12;
        run.locked = 3;
        run.ineligible = 4;
        run.failed = 5;
        run.duration = 6ms;
        expect("information: run finished terminated=2 hung=12 locked=3 ineligible=4 failed=5 duration_ms=6");
        run.suspended = 1;
        expect("information: run finished terminated=2 hung=12 locked=3 ineligible=4 suspended=1 failed=5 "
               "duration_ms=6");
        run = {};
        run.dryRun = true;
        run.wouldTerminate = 2;
        run.jobs.hung = 12;
        expect("information: run finished would_terminate=2 hung=12 locked=0 ineligible=0 failed=0 "
               "duration_ms=0");
        run = {};
        run.stopped = true;
        expect("debug: run stopped");
    }

    void warnsOnceOfWhatSlurmRefuses()
    {
        _center.postNotification(new AllocationReleased("1", "12"));
        assertLogged("information: allocation released job_id=1 slurm_job=12");
        const std::string line =
            "allocation not released job_id=1 slurm_job=12 error=\"Access/permission denied\"";
        _center.postNotification(new AllocationKept("1", "12", "Access/permission denied", false));
        assertLogged("warning: " + line);
        _center.postNotification(new AllocationKept("1", "12", "Access/permission denied", true));
        assertLogged("debug: " + line);
        _center.postNotification(new AllocationsUnknown("Unable to contact slurm controller"));
        assertLogged(
            "warning: allocations unknown error=\"Unable to contact slurm controller\" advice=\"jobs are "
            "terminated as without Slurm; allocations are released when it lists its jobs again\"");
        _center.postNotification(new AllocationsKnown);
        assertLogged("information: allocations known again");
    }

    void saysWhichIndexIsMissing()
    {
        _center.postNotification(new IndexMissing(120ms));
        assertLogged(
            "information: search takes long without an index search_ms=120 advice=\"run the hang "
            "detector's role.sql again; if Coder has no index on job_status, let the owner of its tables "
            "run index.sql\"");
    }

    void warnsOnceOfAnOutageAndSaysWhenItIsOver()
    {
        const std::string line =
            "run failed error=\"server is down\" sqlstate=42P01 advice=\"see the server's log\" "
            "duration_ms=3";
        finish(failed("server is down"));
        assertLogged("warning: " + line);
        finish(failed("server is down"));
        assertLogged("debug: " + line);
        finish(RunStatistics{});
        const auto lines = _log.lines();
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, lines.size());
        CPPUNIT_ASSERT(lines[2].starts_with("information: database answers again failed_runs=2 outage_s="));
        finish(failed("server is down"));
        assertLogged("warning: " + line);
    }

    void warnsOnceOfEachCauseOfAnOutage()
    {
        for (int i = 0; i < 3; ++i) {
            finish(failed("server is down"));
            finish(failed("no such table"));
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, warnings());
        finish(RunStatistics{});
        finish(failed("no such table"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, warnings());
    }

    void warnsOfFiveCausesOfAnOutageAtMost()
    {
        for (int i = 0; i < 20; ++i)
            finish(failed("no table " + std::string(1, static_cast<char>('a' + i))));
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, warnings());
    }

    void warnsOnceOfACauseWhoseNumbersChange()
    {
        for (const char* const block : {"7", "8", "4711"})
            finish(failed(std::string("no space left for block ") + block, "53100"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, warnings());
    }

    void warnsOnceOfAServerThatGoesAndComes()
    {
        finish(failed("terminating connection due to administrator command", "57P01"));
        finish(failed("the connection to the database was lost", ""));
        finish(failed("connection refused", ""));
        finish(failed("the database system is starting up", "57P03"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, warnings());
    }

    void warnsOnceOfAPoolerThatSharesOutSessions()
    {
        for (const std::string name : {"a1b2", "c3d4", "e5f6"})
            finish(failed("prepared statement \"" + name + "\" does not exist", "26000"));
        finish(failed("prepared statement \"statement_2\" already exists", "42P05"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, warnings());
    }

    void tellsOfHeartbeatsWithTimesOfThePast()
    {
        _center.postNotification(new ClockLagBegan(330s));
        assertLogged(
            "warning: heartbeats have times of the past lag_s=330 advice=\"the clock of the Coder "
            "server is behind that of the database; set it right. Until then jobs are hung only that "
            "much later\"");
        _center.postNotification(new ClockLagEnded);
        assertLogged("information: heartbeats are on time again");
    }

    void warnsAgainWhenTheServerIsBackWithAnotherError()
    {
        finish(failed("connection refused", ""));
        finish(failed("password authentication failed", "28P01"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, warnings());
        finish(failed("session is read-only", "", "let Connection name the primary"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, warnings());
    }

    std::size_t warnings() const
    {
        const auto lines = _log.lines();
        return static_cast<std::size_t>(
            std::count_if(lines.begin(), lines.end(),
                          [](const std::string& line) { return line.starts_with("warning: "); }));
    }

    RecordingLogger _log;
    Poco::NotificationCenter _center;
    RunLog _runLog{_center, _log.logger()};
};

CPPUNIT_TEST_SUITE_REGISTRATION(RunLogTest);

} // namespace HangDetection::Test
