#include "notification/RunMetrics.h"

#include "MetricsText.h"
#include "RecordingLogger.h"
#include "TemporaryDirectory.h"

#include <Poco/NotificationCenter.h>
#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <string>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class RunMetricsTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(RunMetricsTest);
    CPPUNIT_TEST(writesTheFileAfterEachRunOnly);
    CPPUNIT_TEST(hearsOfEverythingThatIsPosted);
    CPPUNIT_TEST(knowsTheTime);
    CPPUNIT_TEST(countsWithoutAFile);
    CPPUNIT_TEST(letsNoFailureOut);
    CPPUNIT_TEST_SUITE_END();

    void writesTheFileAfterEachRunOnly()
    {
        _metrics.writeTo(_directory.path() / "m.prom");
        post(new JobFailed({}, false));
        CPPUNIT_ASSERT_EQUAL(std::string(), text());
        finish();
        assertHas("job_errors_total 1");
        post(new JobFailed({}, false));
        assertHas("job_errors_total 1");
        finish();
        assertHas("job_errors_total 2");
    }

    void hearsOfEverythingThatIsPosted()
    {
        _metrics.writeTo(_directory.path() / "m.prom");
        Termination job;
        job.type = "workspace_build";
        post(new JobTerminated(job, 300s));
        job.outcome = Outcome::locked;
        post(new JobSkipped(job));
        post(new JobFailed(job, false));
        post(new JobRevived({"1", true}));
        post(new AllocationReleased("1", "4711"));
        post(new AllocationKept("1", "4711", "no way", false));
        finish();
        for (const char* const sample :
             {R"(jobs_terminated_total{reason="hung",type="workspace_build"} 1)",
              R"(jobs_skipped_total{cause="locked"} 1)", "job_errors_total 1",
              R"(jobs_revived_total{since_then="succeeded"} 1)",
              R"(jobs_revived_total{since_then="reported"} 0)",
              R"(allocations_released_total{result="cancelled"} 1)",
              R"(allocations_released_total{result="failed"} 1)", R"(runs_total{result="success"} 1)"})
            assertHas(sample);
    }

    void knowsTheTime()
    {
        _metrics.writeTo(_directory.path() / "m.prom");
        const auto before = now();
        finish();
        const std::string series = "\nhangdetector_last_success_timestamp_seconds{cluster=\"test\"} ";
        const std::string written = text();
        const auto time = std::stoll(written.substr(written.find(series) + series.size()));
        CPPUNIT_ASSERT(before <= time && time <= now());
    }

    void countsWithoutAFile()
    {
        finish();
        _metrics.writeTo(_directory.path() / "m.prom");
        finish();
        assertHas(R"(runs_total{result="success"} 2)");
    }

    void letsNoFailureOut()
    {
        _metrics.writeTo(_directory.path() / "none" / "m.prom");
        finish();
        finish();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, _log.lines().size());
        CPPUNIT_ASSERT(_log.lines().front().starts_with("error: metrics file cannot be written path="));
    }

    static long long now()
    {
        return std::chrono::duration_cast<std::chrono::seconds>(
                   std::chrono::system_clock::now().time_since_epoch())
            .count();
    }

    void post(Poco::Notification* notification) { _center.postNotification(notification); }

    void finish() { post(new RunFinished(RunStatistics{})); }

    std::string text() const { return _directory.read("m.prom"); }

    void assertHas(const std::string& sample) const
    {
        CPPUNIT_ASSERT_MESSAGE(sample + " is not in:\n" + text(),
                               text().find(sampleLine(sample)) != std::string::npos);
    }

    const TemporaryDirectory _directory;
    RecordingLogger _log;
    Poco::NotificationCenter _center;
    RunMetrics _metrics{_center, _log.logger(), "test"};
};

CPPUNIT_TEST_SUITE_REGISTRATION(RunMetricsTest);

} // namespace HangDetection::Test
