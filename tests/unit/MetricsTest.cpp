#include "notification/Metrics.h"

#include "MetricsText.h"
#include "Printing.h"
#include "RecordingLogger.h"
#include "TemporaryDirectory.h"

#include <Poco/NotificationCenter.h>
#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class MetricsTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(MetricsTest);
    CPPUNIT_TEST(hasEveryKnownCounterFromTheStart);
    CPPUNIT_TEST(leavesOutWhatNoRunHasFoundOut);
    CPPUNIT_TEST(explainsEachMetric);
    CPPUNIT_TEST(countsRunsByTheirEnd);
    CPPUNIT_TEST(tellsOfTheLastSearch);
    CPPUNIT_TEST(keepsTheJobsOfTheLastSearchWhenThereIsNone);
    CPPUNIT_TEST(knowsWhenTheDatabaseIsTheReason);
    CPPUNIT_TEST(countsTerminatedJobsByReasonAndType);
    CPPUNIT_TEST(letsNoTextOfTheDatabaseBeALabel);
    CPPUNIT_TEST(countsSkippedJobsByCause);
    CPPUNIT_TEST(countsErrorsOfJobsKnownOrNot);
    CPPUNIT_TEST(countsRevivedJobsAndAllocations);
    CPPUNIT_TEST(writesEveryDigit);
    CPPUNIT_TEST(writesEachSeriesOnce);
    CPPUNIT_TEST(sharesNoSeriesWithAnotherCluster);
    CPPUNIT_TEST(escapesTheCluster);
    CPPUNIT_TEST(writesTheFileAfterEachRunOnly);
    CPPUNIT_TEST(letsNoFailureOut);
    CPPUNIT_TEST_SUITE_END();

    void hasEveryKnownCounterFromTheStart()
    {
        for (const char* const result : {"success", "error", "stopped"})
            assertHas(std::string("runs_total{result=\"") + result + "\"} 0");
        for (const char* const reason : {"hung", "pending"}) {
            for (const char* const type :
                 {"template_version_import", "workspace_build", "template_version_dry_run"})
                assertHas(std::string("jobs_terminated_total{reason=\"") + reason + "\",type=\"" + type +
                          "\"} 0");
        }
        for (const char* const cause :
             {"locked", "missing", "not_started", "completed", "reported", "suspended"})
            assertHas(std::string("jobs_skipped_total{cause=\"") + cause + "\"} 0");
        for (const char* const result : {"cancelled", "failed"})
            assertHas(std::string("allocations_released_total{result=\"") + result + "\"} 0");
        assertHas("job_errors_total 0");
        assertHas("last_success_timestamp_seconds 0");
        assertHas("build_info{version=\"" PROJECT_VERSION "\"} 1");
    }

    void leavesOutWhatNoRunHasFoundOut()
    {
        finish(withError(true));
        for (const char* const name :
             {"jobs_running", "jobs_hung", "oldest_hung_age_seconds", "mass_hang_hold"})
            CPPUNIT_ASSERT_MESSAGE(_metrics.text(), !contains(name));
        finish(searched());
        for (const char* const name :
             {"jobs_running", "jobs_hung", "oldest_hung_age_seconds", "mass_hang_hold"})
            assertHas(std::string(name) + " 0");
    }

    void explainsEachMetric()
    {
        finish(searched());
        for (const char* const metric :
             {"build_info gauge", "last_success_timestamp_seconds gauge", "runs_total counter",
              "run_duration_seconds gauge", "jobs_running gauge", "jobs_hung gauge",
              "oldest_hung_age_seconds gauge", "mass_hang_hold gauge", "jobs_terminated_total counter",
              "jobs_skipped_total counter", "job_errors_total counter", "database_up gauge",
              "jobs_revived_total counter", "allocations_released_total counter", "dry_run gauge"}) {
            const std::string name = std::string(metric).substr(0, std::string(metric).find(' '));
            CPPUNIT_ASSERT_MESSAGE(metric, contains(std::string("\n# TYPE hangdetector_") + metric + '\n'));
            CPPUNIT_ASSERT_MESSAGE(metric, contains("# HELP hangdetector_" + name + ' '));
        }
    }

    void countsRunsByTheirEnd()
    {
        RunStatistics stopped = searched();
        stopped.stopped = true;
        finish(stopped);
        finish(withError(true));
        finish(withError(false));
        assertHas("last_success_timestamp_seconds 0");
        const auto before = now();
        finish(searched());
        const std::string series = "\nhangdetector_last_success_timestamp_seconds{cluster=\"test\"} ";
        const std::string text = _metrics.text();
        const auto time = std::stoll(text.substr(text.find(series) + series.size()));
        CPPUNIT_ASSERT(before <= time && time <= now());
        assertHas(R"(runs_total{result="success"} 1)");
        assertHas(R"(runs_total{result="error"} 2)");
        assertHas(R"(runs_total{result="stopped"} 1)");
    }

    void tellsOfTheLastSearch()
    {
        RunStatistics run = searched();
        run.jobs = {.running = 40, .silent = 30, .hung = 25, .oldestHung = 400s};
        run.held = true;
        run.dryRun = true;
        run.duration = 1250ms;
        finish(run);
        assertHas("jobs_running 40");
        assertHas("jobs_hung 25");
        assertHas("oldest_hung_age_seconds 400");
        assertHas("mass_hang_hold 1");
        assertHas("dry_run 1");
        assertHas("run_duration_seconds 1.25");
        assertHas("database_up 1");
        CPPUNIT_ASSERT_MESSAGE(_metrics.text(), !contains("jobs_pending"));
        run.jobs.pending = 7;
        finish(run);
        assertHas("jobs_pending 7");
        finish(searched());
        assertHas("jobs_hung 0");
        assertHas("oldest_hung_age_seconds 0");
        assertHas("mass_hang_hold 0");
        assertHas("dry_run 0");
    }

    void keepsTheJobsOfTheLastSearchWhenThereIsNone()
    {
        RunStatistics run = searched();
        run.jobs = {.running = 40, .silent = 30, .hung = 25, .oldestHung = 400s};
        run.held = true;
        finish(run);
        finish(withError(true));
        assertHas("jobs_running 40");
        assertHas("jobs_hung 25");
        assertHas("oldest_hung_age_seconds 400");
        assertHas("mass_hang_hold 1");
    }

    void knowsWhenTheDatabaseIsTheReason()
    {
        finish(withError(false));
        CPPUNIT_ASSERT(!contains("database_up"));
        finish(searched());
        finish(withError(false));
        assertHas("database_up 1");
        finish(withError(true));
        assertHas("database_up 0");
        finish(withError(false));
        assertHas("database_up 0");
        // Found, but not to be terminated.
        RunStatistics lost = withError(true);
        lost.hasSearched = true;
        finish(searched());
        finish(lost);
        assertHas("database_up 0");
        // Found, and then it was something else.
        RunStatistics other = withError(false);
        other.hasSearched = true;
        finish(other);
        assertHas("database_up 1");
    }

    void countsTerminatedJobsByReasonAndType()
    {
        terminate(Reason::hung, "workspace_build");
        terminate(Reason::hung, "workspace_build");
        terminate(Reason::pending, "template_version_import");
        assertHas(R"(jobs_terminated_total{reason="hung",type="workspace_build"} 2)");
        assertHas(R"(jobs_terminated_total{reason="pending",type="template_version_import"} 1)");
        assertHas(R"(jobs_terminated_total{reason="hung",type="template_version_import"} 0)");
    }

    void letsNoTextOfTheDatabaseBeALabel()
    {
        terminate(Reason::hung, "x\"} 1\nforged 1");
        terminate(Reason::hung, "another_type");
        assertHas(R"(jobs_terminated_total{reason="hung",type="other"} 2)");
        CPPUNIT_ASSERT(!contains("forged"));
    }

    void countsSkippedJobsByCause()
    {
        Termination job;
        for (const Outcome outcome :
             {Outcome::locked, Outcome::missing, Outcome::notStarted, Outcome::completed, Outcome::suspended,
              Outcome::reported, Outcome::reported}) {
            job.outcome = outcome;
            post(new JobSkipped(job));
        }
        for (const char* const cause : {"locked", "missing", "not_started", "completed", "suspended"})
            assertHas(std::string("jobs_skipped_total{cause=\"") + cause + "\"} 1");
        assertHas(R"(jobs_skipped_total{cause="reported"} 2)");
    }

    void countsErrorsOfJobsKnownOrNot()
    {
        post(new JobFailed({}, false));
        post(new JobFailed({}, true));
        assertHas("job_errors_total 2");
    }

    void countsRevivedJobsAndAllocations()
    {
        post(new JobRevived({"1", true}));
        post(new AllocationReleased("1", "4711"));
        post(new AllocationKept("1", "4711", "no way", false));
        post(new AllocationKept("1", "4711", "no way", false));
        assertHas(R"(jobs_revived_total{since_then="succeeded"} 1)");
        assertHas(R"(jobs_revived_total{since_then="reported"} 0)");
        assertHas(R"(allocations_released_total{result="cancelled"} 1)");
        assertHas(R"(allocations_released_total{result="failed"} 2)");
    }

    void writesEveryDigit()
    {
        RunStatistics run = searched();
        run.duration = 1234567ms;
        finish(run);
        assertHas("run_duration_seconds 1234.567");
    }

    void writesEachSeriesOnce()
    {
        finish(withPendingJobs());
        const std::vector<std::string> series = seriesIn(_metrics.text());
        CPPUNIT_ASSERT_MESSAGE(_metrics.text(),
                               std::adjacent_find(series.begin(), series.end()) == series.end());
    }

    void sharesNoSeriesWithAnotherCluster()
    {
        const Metrics other(_center, _log.logger(), "other");
        finish(withPendingJobs());
        CPPUNIT_ASSERT_EQUAL(std::vector<std::string>(), sharedSeries(_metrics.text(), other.text()));
    }

    void escapesTheCluster()
    {
        const std::string text = Metrics(_center, _log.logger(), "a\\b\"c\nd").text();
        CPPUNIT_ASSERT_MESSAGE(text,
                               text.find(R"(job_errors_total{cluster="a\\b\"c\nd"} 0)") != std::string::npos);
    }

    void writesTheFileAfterEachRunOnly()
    {
        finish(searched());
        _metrics.writeTo(_directory.path() / "m.prom");
        post(new JobFailed({}, false));
        CPPUNIT_ASSERT_EQUAL(std::string(), _directory.read("m.prom"));
        finish(searched());
        const std::string text = _metrics.text();
        CPPUNIT_ASSERT_EQUAL(text, _directory.read("m.prom"));
        assertHas(R"(runs_total{result="success"} 2)");
        assertHas("job_errors_total 1");
        post(new JobFailed({}, false));
        CPPUNIT_ASSERT_EQUAL(text, _directory.read("m.prom"));
    }

    void letsNoFailureOut()
    {
        _metrics.writeTo(_directory.path() / "none" / "m.prom");
        finish(searched());
        finish(searched());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, _log.lines().size());
        CPPUNIT_ASSERT(_log.lines().front().starts_with("error: metrics file cannot be written path="));
    }

    static RunStatistics searched()
    {
        RunStatistics statistics;
        statistics.hasSearched = true;
        return statistics;
    }

    static RunStatistics withPendingJobs()
    /// So every metric is written.
    {
        RunStatistics statistics = searched();
        statistics.jobs.pending = 0;
        return statistics;
    }

    static RunStatistics withError(bool isDatabaseError)
    {
        RunStatistics statistics;
        statistics.error = RunError{.cause = "cause", .isDatabaseError = isDatabaseError};
        return statistics;
    }

    static long long now()
    {
        return std::chrono::duration_cast<std::chrono::seconds>(
                   std::chrono::system_clock::now().time_since_epoch())
            .count();
    }

    void post(Poco::Notification* notification) { _center.postNotification(notification); }

    void finish(const RunStatistics& statistics) { post(new RunFinished(statistics)); }

    void terminate(Reason reason, const std::string& type)
    {
        Termination job;
        job.outcome = Outcome::terminated;
        job.reason = reason;
        job.type = type;
        post(new JobTerminated(job, 300s));
    }

    bool contains(const std::string& text) const { return _metrics.text().find(text) != std::string::npos; }

    void assertHas(const std::string& sample) const
    {
        CPPUNIT_ASSERT_MESSAGE(sample + " is not in:\n" + _metrics.text(), contains(sampleLine(sample)));
    }

    const TemporaryDirectory _directory;
    RecordingLogger _log;
    Poco::NotificationCenter _center;
    Metrics _metrics{_center, _log.logger(), "test"};
};

CPPUNIT_TEST_SUITE_REGISTRATION(MetricsTest);

} // namespace HangDetection::Test
