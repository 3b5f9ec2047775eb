#include "MetricsText.h"
#include "ServerFaults.h"
#include "ServiceFixture.h"

namespace HangDetection::Test {

class MetricsInServiceTest : public ServiceFixture
/// The metrics file of a detector at work on a real database.
{
    TEST_SUITE(MetricsInServiceTest);

    TEST(tellsOfATerminatedJob)
    {
        addHungBuild("0e1c1d3a-6a7e-4f0e-9c39-1a8c6b6c9a51", 1);
        database().addJob({.updatedAgo = "1 second"});
        start();
        awaitSample(R"(jobs_terminated_total{reason="hung",type="workspace_build"} 1)");
        awaitSample("jobs_hung 0");
        awaitSample("jobs_running 1");
        awaitSample("oldest_hung_age_seconds 0");
        awaitSample("database_up 1");
    }

    TEST(tellsOfTheWholeBacklog)
    {
        addHungJobs(3);
        database().addJob({.updatedAgo = "1 hour"});
        start("DryRun=yes\nMaxJobsPerRun=1\nInterval=1h\nMassHangRatio=0\n");
        awaitSample("jobs_hung 4");
        CPPUNIT_ASSERT_MESSAGE(text(), !has("oldest_hung_age_seconds 0"));
    }

    TEST(tellsOfAnOutageAndKeepsWhatIsKnownOfTheJobs)
    {
        database().addJob({.updatedAgo = "1 second"});
        start();
        awaitSample("jobs_running 1");
        {
            const Outage outage(server());
            awaitSample("database_up 0");
            CPPUNIT_ASSERT_MESSAGE(text(), has("jobs_running 1"));
            CPPUNIT_ASSERT_MESSAGE(text(), !has(R"(runs_total{result="error"} 0)"));
        }
        reconnect();
        awaitSample("database_up 1");
    }

    TEST(tellsThatTheFileIsWrong)
    {
        start();
        awaitSample("settings_valid 1");
        write("m.prom", "Interval=0\n");
        awaitSample("settings_valid 0");
        write("m.prom");
        awaitSample("settings_valid 1");
    }

    TEST(followsTheSettings)
    {
        start();
        awaitSample("database_up 1");
        write("other.prom");
        awaitSample("database_up 1", "other.prom");
        CPPUNIT_ASSERT(!std::filesystem::exists(_metrics.path() / "m.prom"));
        writeSettings("Interval=1\n");
        awaitLine("information: settings read again MetricsFile=\"" +
                  (_metrics.path() / "other.prom").string() + " -> none\"");
        await([this] { return std::filesystem::is_empty(_metrics.path()); });
    }

    TEST(doesItsWorkWithoutTheFile)
    {
        const std::string job = addHungJob();
        write("none/m.prom");
        startService();
        awaitLine("error: metrics file cannot be written");
        awaitLine("information: job terminated job_id=" + job);
        awaitRunsFinished(2);
        std::filesystem::create_directory(_metrics.path() / "none");
        awaitLine("information: metrics file is written again path=");
        awaitSample(R"(jobs_terminated_total{reason="hung",type="template_version_import"} 1)",
                    "none/m.prom");
    }

    void write(const std::string& file, const std::string& settings = "Interval=1\n")
    {
        writeSettings(settings + "MetricsFile=" + (_metrics.path() / file).string() + '\n');
    }

    void start(const std::string& settings = "Interval=1\n")
    {
        write("m.prom", settings);
        startService();
    }

    std::string text(const std::string& file = "m.prom") const { return _metrics.read(file); }

    bool has(const std::string& sample, const std::string& file = "m.prom") const
    {
        return text(file).find(sampleLine(sample)) != std::string::npos;
    }

    void awaitSample(const std::string& sample, const std::string& file = "m.prom")
    {
        const bool hasCome = eventually(patience, [&] { return has(sample, file); });
        CPPUNIT_ASSERT_MESSAGE(sample + " is not in:\n" + text(file) + log(), hasCome);
    }

    const TemporaryDirectory _metrics;
};

} // namespace HangDetection::Test
