#include "notification/Metrics.h"

#include "MetricsText.h"
#include "RecordingLogger.h"
#include "Suite.h"
#include "TemporaryDirectory.h"
#include "Texts.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class MetricsTest : public CppUnit::TestFixture
{
    TEST_SUITE(MetricsTest);

    TEST(hasEveryKnownCounterFromTheStart)
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
             {"locked", "missing", "not_started", "completed", "reported", "not_stalled", "suspended"})
            assertHas(std::string("jobs_skipped_total{cause=\"") + cause + "\"} 0");
        assertHas(R"(jobs_revived_total{since_then="reported"} 0)");
        for (const char* const result : {"cancelled", "failed"})
            assertHas(std::string("allocations_released_total{result=\"") + result + "\"} 0");
        assertHas("job_errors_total 0");
        assertHas("jobs_canceled_total 0");
        assertHas("last_success_timestamp_seconds 0");
        assertHas("build_info{version=\"" HANG_DETECTOR_VERSION "\"} 1");
    }

    TEST(leavesOutWhatNoRunHasFoundOut)
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

    TEST(countsRunsByTheirEnd)
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

    TEST(tellsOfTheLastSearch)
    {
        RunStatistics run = searched();
        run.jobs = {.running = 40, .silent = 30, .hung = 25, .oldestHung = 400s};
        run.held = true;
        run.dryRun = true;
        run.duration = 1234567ms;
        finish(run);
        assertHas("dry_run 1");
        assertHas("run_duration_seconds 1234.567");
        CPPUNIT_ASSERT_MESSAGE(_metrics.text(), contains("\n# TYPE hangdetector_dry_run gauge\n"));
        // A run without a search changes none of these.
        finish(withError(true));
        assertHas("jobs_running 40");
        assertHas("jobs_hung 25");
        assertHas("oldest_hung_age_seconds 400");
        assertHas("mass_hang_hold 1");
        for (const char* const name : {"jobs_pending", "jobs_stalled", "mass_stall_hold"})
            CPPUNIT_ASSERT_MESSAGE(_metrics.text(), !contains(name));
        run.jobs.pending = 7;
        run.jobs.stalled = 6;
        run.areStallsHeld = true;
        finish(run);
        assertHas("jobs_pending 7");
        assertHas("jobs_stalled 6");
        assertHas("mass_stall_hold 1");
        finish(searched());
        assertHas("mass_hang_hold 0");
        assertHas("dry_run 0");
    }

    TEST(knowsWhenTheDatabaseIsTheReason)
    {
        finish(withError(false));
        CPPUNIT_ASSERT(!contains("database_up"));
        finish(searched());
        finish(withError(false));
        assertHas("database_up 1");
        // Jobs were found, but could not be terminated.
        RunStatistics lost = withError(true);
        lost.hasSearched = true;
        finish(lost);
        assertHas("database_up 0");
        finish(withError(false));
        assertHas("database_up 0");
        // Jobs were found, and then it was something else.
        RunStatistics other = withError(false);
        other.hasSearched = true;
        finish(other);
        assertHas("database_up 1");
    }

    TEST(countsTerminatedJobsByReasonAndType)
    {
        terminate(Reason::hung, "workspace_build");
        terminate(Reason::hung, "workspace_build");
        terminate(Reason::pending, "template_version_import");
        assertHas(R"(jobs_terminated_total{reason="hung",type="workspace_build"} 2)");
        assertHas(R"(jobs_terminated_total{reason="pending",type="template_version_import"} 1)");
        assertHas(R"(jobs_terminated_total{reason="hung",type="template_version_import"} 0)");
        // No text of the database is a label.
        terminate(Reason::hung, "x\"} 1\nforged 1");
        terminate(Reason::hung, "another_type");
        assertHas(R"(jobs_terminated_total{reason="hung",type="other"} 2)");
        CPPUNIT_ASSERT(!contains("forged"));
    }

    TEST(countsWhatElseBecameOfJobs)
    {
        Termination job;
        for (const Outcome outcome : {Outcome::locked, Outcome::reported, Outcome::reported}) {
            job.outcome = outcome;
            post(new JobSkipped(job));
        }
        assertHas(R"(jobs_skipped_total{cause="locked"} 1)");
        assertHas(R"(jobs_skipped_total{cause="reported"} 2)");
        for (const bool isKnown : {false, true})
            post(new JobFailed(job, isKnown));
        assertHas("job_errors_total 2");
        post(new JobCanceled(job, 600s));
        assertHas("jobs_canceled_total 1");
        post(new JobRevived({"1", true}));
        assertHas(R"(jobs_revived_total{since_then="succeeded"} 1)");
        post(new AllocationReleased(Mark{.text = "1"}, "4711"));
        for (const bool isKnown : {false, true})
            post(new AllocationKept(Mark{.text = "1"}, "4711", "no way", isKnown));
        assertHas(R"(allocations_released_total{result="cancelled"} 1)");
        assertHas(R"(allocations_released_total{result="failed"} 2)");
    }

    TEST(writesEachSeriesOnce)
    {
        RunStatistics run = searched();
        run.jobs.pending = 0; // so every metric is written
        run.leftover = 7;
        run.withoutAllocation = 8;
        finish(run);
        const std::vector<std::string> series = seriesIn(_metrics.text());
        CPPUNIT_ASSERT_MESSAGE(_metrics.text(),
                               std::adjacent_find(series.begin(), series.end()) == series.end());
    }

    TEST(countsAllocationsUntilSlurmIsAskedAgain)
    /// But not when Slurm is not asked any more, or in a dry run.
    {
        RunStatistics asked = searched();
        asked.mayAskScheduler = true;
        RunStatistics counted = asked;
        counted.leftover = 7;
        counted.withoutAllocation = 8;
        RunStatistics dry = asked;
        dry.dryRun = true;
        for (const RunStatistics& last : {searched(), dry}) {
            finish(counted);
            finish(asked);
            assertHas("allocations_leftover 7");
            assertHas("jobs_without_allocation 8");
            finish(last);
            assertLacks("allocations_leftover", _metrics.text());
            assertLacks("jobs_without_allocation", _metrics.text());
        }
    }

    TEST(escapesTheCluster)
    {
        const std::string text = Metrics(_center, _log.logger(), "a\\b\"c\nd").text();
        CPPUNIT_ASSERT_MESSAGE(text,
                               text.find(R"(job_errors_total{cluster="a\\b\"c\nd"} 0)") != std::string::npos);
    }

    TEST(writesTheFileAfterEachRunOnly)
    {
        finish(searched());
        _metrics.writeTo(_directory.path() / "m.prom");
        post(new JobFailed({}, false));
        CPPUNIT_ASSERT_EQUAL(std::string(), _directory.read("m.prom"));
        finish(searched());
        CPPUNIT_ASSERT_EQUAL(_metrics.text(), _directory.read("m.prom"));
    }

    static RunStatistics searched()
    {
        RunStatistics statistics;
        statistics.hasSearched = true;
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

    TEST(sharesNoSeriesWithAnotherCluster)
    {
        const Metrics other(_center, _log.logger(), "other");
        RunStatistics run = searched();
        run.jobs.pending = 0; // so that every metric is written
        finish(run);
        CPPUNIT_ASSERT(sharedSeries(_metrics.text(), other.text()).empty());
    }

    const TemporaryDirectory _directory;
    RecordingLogger _log;
    Poco::NotificationCenter _center;
    Metrics _metrics{_center, _log.logger(), "test"};
};

} // namespace HangDetection::Test
