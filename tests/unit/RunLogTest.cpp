#include "notification/RunLog.h"

#include "RecordingLogger.h"

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
    CPPUNIT_TEST(leavesOutTheWorkspaceOfAJobWithoutOne);
    CPPUNIT_TEST(saysThatAJobWasPending);
    CPPUNIT_TEST(writesALineForEachJobThatWouldBeTerminated);
    CPPUNIT_TEST(namesWorkspaceOwnerAndTemplateWhereTheyAreKnown);
    CPPUNIT_TEST(tellsOfAJobThatWasAlive);
    CPPUNIT_TEST(notesSkippedJobsAtDebugLevel);
    CPPUNIT_TEST(reportsAJobThatFailed);
    CPPUNIT_TEST(reportsAKnownErrorOfAJobAtDebugLevel);
    CPPUNIT_TEST(warnsOfAMassHangAndSaysWhenItIsOver);
    CPPUNIT_TEST(tellsAMassHangThatADryRunSees);
    CPPUNIT_TEST(writesHeldRunsAtDebugLevel);
    CPPUNIT_TEST(writesALineForARunThatDidSomething);
    CPPUNIT_TEST(countsPendingJobsWhenTheyAreLookedFor);
    CPPUNIT_TEST(countsWhatADryRunWouldTerminate);
    CPPUNIT_TEST(writesIdleRunsAtDebugLevel);
    CPPUNIT_TEST(warnsOnceOfAnOutageAndSaysWhenItIsOver);
    CPPUNIT_TEST(warnsAgainWhenTheCauseChanges);
    CPPUNIT_TEST(warnsOnceOfEachCauseOfAnOutage);
    CPPUNIT_TEST(warnsOnceOfACauseWhoseNumbersChange);
    CPPUNIT_TEST(warnsOnceOfAServerThatGoesAndComes);
    CPPUNIT_TEST(warnsOnceOfAPoolerThatSharesOutSessions);
    CPPUNIT_TEST(tellsOfHeartbeatsWithTimesOfThePast);
    CPPUNIT_TEST(warnsAgainWhenTheServerIsBackWithAnotherError);
    CPPUNIT_TEST(warnsOfFiveCausesOfAnOutageAtMost);
    CPPUNIT_TEST(doesNotWarnOfAStop);
    CPPUNIT_TEST_SUITE_END();

    void assertLogged(const std::string& line) const
    {
        CPPUNIT_ASSERT(!_log.lines().empty());
        CPPUNIT_ASSERT_EQUAL(line, _log.lines().back());
    }

    void finish(const RunStatistics& statistics) { _center.postNotification(new RunFinished(statistics)); }

    static RunStatistics failed(const std::string& cause, const std::string& sqlState = "42P01")
    {
        RunStatistics statistics;
        statistics.error = RunError{cause, sqlState, "see the server's log"};
        statistics.duration = 3ms;
        return statistics;
    }

    void writesALineForEachJobTerminated()
    {
        Termination job;
        job.jobId = "11111111-2222-4333-8444-555555555555";
        job.outcome = Outcome::terminated;
        job.type = "workspace_build";
        job.silent = 301s;
        job.stage = "Starting workspace";
        job.workspaceId = "66666666-2222-4333-8444-555555555555";
        job.buildNumber = 7;
        job.state = BuildState::copied;
        _center.postNotification(new JobTerminated(job, 300s));
        assertLogged("information: job terminated job_id=11111111-2222-4333-8444-555555555555 reason=hung "
                     "type=workspace_build silent_s=301 threshold_s=300 stage=\"Starting workspace\" "
                     "workspace_id=66666666-2222-4333-8444-555555555555 build_number=7 state=copied");
        job.state = BuildState::kept;
        _center.postNotification(new JobTerminated(job, 300s));
        CPPUNIT_ASSERT(_log.lines().back().ends_with(" state=kept"));
    }

    void namesWorkspaceOwnerAndTemplateWhereTheyAreKnown()
    {
        Termination job;
        job.jobId = "1";
        job.type = "workspace_build";
        job.stage = "Unknown";
        job.workspace = "my thesis";
        job.owner = "ada";
        job.templateName = "gpu\nlarge";
        _center.postNotification(new JobTerminated(job, 300s));
        assertLogged("information: job terminated job_id=1 reason=hung type=workspace_build silent_s=0 "
                     R"(threshold_s=300 stage=Unknown state=none workspace="my thesis" owner=ada)"
                     R"( template="gpu\nlarge")");
    }

    void leavesOutTheWorkspaceOfAJobWithoutOne()
    {
        Termination job;
        job.jobId = "1";
        job.type = "template_version_import";
        job.stage = "Unknown";
        _center.postNotification(new JobTerminated(job, 300s));
        assertLogged(
            "information: job terminated job_id=1 reason=hung type=template_version_import silent_s=0 "
            "threshold_s=300 stage=Unknown state=none");
    }

    void saysThatAJobWasPending()
    {
        Termination job;
        job.jobId = "1";
        job.reason = Reason::pending;
        job.type = "template_version_import";
        job.silent = 1801s;
        job.stage = "Unknown";
        _center.postNotification(new JobTerminated(job, 1800s));
        assertLogged(
            "information: job terminated job_id=1 reason=pending type=template_version_import silent_s=1801 "
            "threshold_s=1800 stage=Unknown state=none");
    }

    void writesALineForEachJobThatWouldBeTerminated()
    {
        Termination job;
        job.jobId = "1";
        job.type = "workspace_build";
        job.stage = "Planning";
        job.workspaceId = "2";
        job.buildNumber = 7;
        job.state = BuildState::copied;
        _center.postNotification(new JobWouldBeTerminated(job, 300s));
        assertLogged("information: would terminate job_id=1 reason=hung type=workspace_build silent_s=0 "
                     "threshold_s=300 stage=Planning workspace_id=2 build_number=7 state=copied");
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
        _center.postNotification(new JobFailed(job, false));
        assertLogged(R"(error: job not terminated job_id=1 error="no\nway")");
    }

    void reportsAKnownErrorOfAJobAtDebugLevel()
    {
        Termination job;
        job.jobId = "1";
        job.error = "no way";
        _center.postNotification(new JobFailed(job, true));
        assertLogged(R"(debug: job not terminated job_id=1 error="no way")");
    }

    void warnsOfAMassHangAndSaysWhenItIsOver()
    {
        _center.postNotification(new MassHangBegan({.running = 40, .silent = 30, .hung = 2}, 300s, false));
        CPPUNIT_ASSERT(_log.lines().back().starts_with(
            "warning: mass hang, no job is terminated for now hung=2 silent=30 running=40 hold_s=300 "
            "advice=\"something upstream"));
        _center.postNotification(new MassHangEnded({.running = 40, .silent = 4, .hung = 3}, false));
        assertLogged(
            "information: mass hang over, hung jobs are terminated again hung=3 silent=4 running=40");
    }

    void tellsAMassHangThatADryRunSees()
    {
        _center.postNotification(new MassHangBegan({.running = 40, .silent = 30, .hung = 2}, 300s, true));
        CPPUNIT_ASSERT(_log.lines().back().starts_with(
            "warning: mass hang, no job would be terminated for now hung=2 silent=30 running=40 hold_s=300 "
            "advice=\"something upstream"));
        _center.postNotification(new MassHangEnded({.running = 40, .silent = 4, .hung = 3}, true));
        assertLogged(
            "information: mass hang over, hung jobs would be terminated again hung=3 silent=4 running=40");
    }

    void writesHeldRunsAtDebugLevel()
    {
        RunStatistics statistics;
        statistics.jobs.hung = 30;
        statistics.held = true;
        finish(statistics);
        assertLogged("debug: run finished terminated=0 hung=30 locked=0 ineligible=0 failed=0 duration_ms=0");
    }

    void writesALineForARunThatDidSomething()
    {
        RunStatistics statistics;
        statistics.terminated = {"1", "2"};
        statistics.jobs.hung = 12;
        statistics.locked = 3;
        statistics.ineligible = 4;
        statistics.failed = 5;
        statistics.duration = 6ms;
        finish(statistics);
        assertLogged(
            "information: run finished terminated=2 hung=12 locked=3 ineligible=4 failed=5 duration_ms=6");
    }

    void countsPendingJobsWhenTheyAreLookedFor()
    {
        RunStatistics statistics;
        statistics.jobs.pending = 0;
        finish(statistics);
        assertLogged("debug: run finished terminated=0 hung=0 pending=0 locked=0 ineligible=0 failed=0 "
                     "duration_ms=0");
        statistics.jobs.pending = 3;
        finish(statistics);
        assertLogged("information: run finished terminated=0 hung=0 pending=3 locked=0 ineligible=0 failed=0 "
                     "duration_ms=0");
    }

    void countsWhatADryRunWouldTerminate()
    {
        RunStatistics statistics;
        statistics.dryRun = true;
        statistics.wouldTerminate = 2;
        statistics.jobs.hung = 12;
        finish(statistics);
        assertLogged("information: run finished would_terminate=2 hung=12 locked=0 ineligible=0 failed=0 "
                     "duration_ms=0");
    }

    void writesIdleRunsAtDebugLevel()
    {
        finish(RunStatistics{});
        assertLogged("debug: run finished terminated=0 hung=0 locked=0 ineligible=0 failed=0 duration_ms=0");
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

    void warnsAgainWhenTheCauseChanges()
    {
        finish(failed("server is down"));
        const std::string line =
            "run failed error=\"no such table\" sqlstate=42P01 advice=\"see the server's log\" duration_ms=3";
        finish(failed("no such table"));
        assertLogged("warning: " + line);
        finish(failed("no such table"));
        assertLogged("debug: " + line);
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
        assertLogged("warning: heartbeats have times of the past lag_s=330 advice=\"the clock of the Coder "
                     "server is behind that of the database; set it right. Until then jobs are hung only so "
                     "much later\"");
        _center.postNotification(new ClockLagEnded);
        assertLogged("information: heartbeats are on time again");
    }

    void warnsAgainWhenTheServerIsBackWithAnotherError()
    {
        finish(failed("connection refused", ""));
        finish(failed("password authentication failed", "28P01"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, warnings());
        RunStatistics standby = failed("session is read-only", "");
        standby.error->advice = "let Connection name the primary";
        finish(standby);
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, warnings());
    }

    std::size_t warnings() const
    {
        const auto lines = _log.lines();
        return static_cast<std::size_t>(
            std::count_if(lines.begin(), lines.end(),
                          [](const std::string& line) { return line.starts_with("warning: "); }));
    }

    void doesNotWarnOfAStop()
    {
        RunStatistics statistics;
        statistics.stopped = true;
        finish(statistics);
        assertLogged("debug: run stopped");
    }

    RecordingLogger _log;
    Poco::NotificationCenter _center;
    RunLog _runLog{_center, _log.logger()};
};

CPPUNIT_TEST_SUITE_REGISTRATION(RunLogTest);

} // namespace HangDetection::Test
