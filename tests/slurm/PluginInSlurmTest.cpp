// What the plugin does in a slurmctld, and that it keeps slurmctld from nothing.

#include "Figure.h"
#include "HbaRule.h"
#include "LogRecord.h"
#include "MetricsText.h"
#include "Outage.h"
#include "ProcessState.h"
#include "RememberedJobs.h"
#include "Secret.h"
#include "SlurmFixture.h"
#include "TemporaryDirectory.h"

#include <cppunit/extensions/HelperMacros.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <unistd.h>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class PluginInSlurmTest : public SlurmFixture
{
    CPPUNIT_TEST_SUITE(PluginInSlurmTest);
    CPPUNIT_TEST(terminatesAHungJobAndNoOther);
    CPPUNIT_TEST(letsSlurmJobsRunAndBeModifiedMeanwhile);
    CPPUNIT_TEST(eachOutageIsLoggedOnceAndSoIsItsEnd);
    CPPUNIT_TEST(stopsWhenTakenOutOfSlurmConfUntilPutBack);
    CPPUNIT_TEST(hasOneThreadAndOneConnection);
    CPPUNIT_TEST(keepsTheMemoryOfSlurmctldFlat);
    CPPUNIT_TEST(readsTheSettingsFileThatSlurmConfNames);
    CPPUNIT_TEST(showsThePasswordNowhere);
    CPPUNIT_TEST(letsNoTextOfTheDatabasePassForALine);
    CPPUNIT_TEST(writesMetricsOnceItMay);
    CPPUNIT_TEST(keepsTheMetricsWhenSlurmctldEnds);
    CPPUNIT_TEST_SUITE_END();

    void terminatesAHungJobAndNoOther()
    {
        database().addJob({.updatedAgo = "200 seconds"});
        database().addJob({.completedAgo = "6 minutes"});
        const std::string job = database().addBuildJob({}, {});
        database().addLog(job, "Planning infrastructure");
        RememberedJobs jobs(connectionString());
        jobs.remember();

        cluster().startController();
        waitUntilTerminated(job);
        CPPUNIT_ASSERT(jobs.terminatedCompletely() == std::set<std::string>{job});

        cluster().waitForLog("] job_submit/hang_detector: started");
        cluster().waitForLog("] job_submit/hang_detector: run finished terminated=1 hung=1");
        cluster().waitForLog("] job_submit/hang_detector: job terminated job_id=" + job +
                             " reason=hung type=workspace_build");
        CPPUNIT_ASSERT_EQUAL(std::size_t{1},
                             cluster().countInLog("job_submit/hang_detector: job terminated job_id="));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, startsOfDetector());
        assertLacks("error: job_submit/hang_detector", cluster().log());
    }

    void letsSlurmJobsRunAndBeModifiedMeanwhile()
    {
        cluster().startController();
        cluster().startNode();
        const std::string hung = database().addJob();
        const std::string job = cluster().submit("echo done > job-output", {"--hold"});

        cluster().run({"scontrol", "update", "JobId=" + job, "TimeLimit=7", "Comment=changed"});
        assertContains("TimeLimit=00:07:00", cluster().show(job));
        assertContains("Comment=changed", cluster().show(job));

        cluster().run({"scontrol", "release", job});
        cluster().waitForState(job, "COMPLETED");
        CPPUNIT_ASSERT(std::filesystem::file_size(cluster().directory() / "job-output") > 0);
        waitUntilTerminated(hung);
    }

    void eachOutageIsLoggedOnceAndSoIsItsEnd()
    {
        const std::string anyFailure = "job_submit/hang_detector: run failed";
        const std::string firstFailure = "error: " + anyFailure;
        const std::string hung = database().addJob();
        cluster().configure("SlurmctldDebug", "debug");
        {
            const Outage outage(server());
            cluster().startController();
            cluster().startNode();
            cluster().waitForState(cluster().submit("true"), "COMPLETED");
            CPPUNIT_ASSERT(cluster().controllerAnswers());

            cluster().waitForLog(anyFailure, 20s, 4);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(cluster().log(), std::size_t{1}, cluster().countInLog(firstFailure));
            cluster().waitForLog(firstFailure + " error=\"connection to server on socket");
            CPPUNIT_ASSERT(cluster().countInLog("advice=\"check Connection in") >= 4);
        }
        reconnect();
        waitUntilTerminated(hung);
        cluster().waitForLog("] job_submit/hang_detector: database answers again failed_runs=");
        waitUntilTerminated(database().addJob());
        cluster().waitForLog("run finished terminated=1", 15s, 2);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, cluster().countInLog("database answers again"));
        {
            const Outage outage(server());
            cluster().waitForLog(firstFailure, 15s, 2);
        }
        reconnect();
        waitUntilTerminated(database().addJob());
        cluster().waitForLog("database answers again", 15s, 2);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, cluster().countInLog("database answers again"));
    }

    void stopsWhenTakenOutOfSlurmConfUntilPutBack()
    {
        cluster().startController();
        waitUntilTerminated(database().addJob());
        for (std::size_t starts = 2; starts <= 3; ++starts) {
            CPPUNIT_ASSERT(isDetectorConnected());
            cluster().configure("JobSubmitPlugins", "");
            cluster().reconfigure();
            await("the end of the connection", [this] { return !isDetectorConnected(); });
            const std::string hung = database().addJob();
            // Nothing shows that nothing happens; two intervals have to do.
            CPPUNIT_ASSERT(!eventually(2s, [&] { return isTerminated(hung); }));
            CPPUNIT_ASSERT(cluster().controllerAnswers());

            cluster().configure("JobSubmitPlugins", "hang_detector");
            cluster().reconfigure();
            cluster().waitForLog("job_submit/hang_detector: started", 15s, starts);
            waitUntilTerminated(hung);
        }
        CPPUNIT_ASSERT(cluster().controllerAnswers());
    }

    void hasOneThreadAndOneConnection()
    {
        cluster().startController();
        for (int run = 0; run < 3; ++run)
            waitUntilTerminated(database().addJob());
        // While a run is busy, a second thread watches it.
        await("a single thread", [this] {
            auto names = threadsOf(cluster().controller());
            std::erase_if(names, [](const std::string& name) { return !name.starts_with("hang_"); });
            return names == std::multiset<std::string>{"hang_detector"};
        });
        CPPUNIT_ASSERT(
            database().isTrue("SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = $1",
                              "detector_in_slurmctld"));
    }

    long residentKilobytes()
    {
        long all = 0;
        long resident = 0;
        std::ifstream("/proc/" + std::to_string(cluster().controller()) + "/statm") >> all >> resident;
        CPPUNIT_ASSERT_MESSAGE("slurmctld is gone", resident > 0);
        return resident * (sysconf(_SC_PAGESIZE) / 1024);
    }

    void keepsTheMemoryOfSlurmctldFlat()
    {
        constexpr int jobs = 10000;
        cluster().writeSettings(settings() + "MaxJobsPerRun=" + std::to_string(jobs) + "\nMassHangRatio=0\n");
        cluster().startController();
        waitUntilTerminated(database().addJob());
        const long before = residentKilobytes();
        database().addJobs(jobs);
        cluster().waitForLog("run finished terminated=" + std::to_string(jobs), 60s);
        const long after = residentKilobytes();
        figure() << jobs << " terminations in one run: slurmctld has " << before << " kB before and " << after
                 << " kB after\n";
        CPPUNIT_ASSERT(after - before < 10 * 1024);
    }

    void readsTheSettingsFileThatSlurmConfNames()
    {
        cluster().removeSettings();
        cluster().writeSettings(settings(), SlurmCluster::groupMayRead, "elsewhere.conf");
        cluster().configure("SlurmctldParameters",
                            "hang_detector_conf=" + (cluster().directory() / "elsewhere.conf").string());

        cluster().startController();
        waitUntilTerminated(database().addJob());
    }

    void showsThePasswordNowhere()
    /// When it is refused, when it is not needed, and when the server is away.
    {
        database().execute("CREATE ROLE without_password SUPERUSER LOGIN");
        HbaRule rule(server(), "local all without_password scram-sha-256");
        cluster().configure("SlurmctldDebug", "debug5");
        cluster().configure("DebugFlags", "Protocol");
        cluster().writeSettings("Connection=" + connectionString() +
                                " user=without_password password=" + Secret::quoted + "\nInterval=1\n");
        cluster().startController();
        cluster().waitForLog("password authentication failed", 20s, 2);
        rule.end();
        waitUntilTerminated(database().addJob());
        CPPUNIT_ASSERT(threadsOf(cluster().controller()).contains("hang_detector"));
        Secret::assertNotIn(seenOf(cluster().controller()));
        const std::string configuration = cluster().run({"scontrol", "show", "config"});
        assertContains("hang_detector", configuration);
        Secret::assertNotIn(configuration);
        {
            const Outage outage(server());
            cluster().waitForMore("job_submit/hang_detector: run failed", 2);
        }
        reconnect();
        CPPUNIT_ASSERT(cluster().countInLog("debug3: ") > 0);
        Secret::assertNotIn(cluster().log());
    }

    void letsNoTextOfTheDatabasePassForALine()
    {
        const std::string stage =
            "x\" job_id=forged\r\nerror: job_submit/hang_detector: job terminated job_id=\"";
        const std::string job = database().addJob();
        database().addLog(job, stage);
        cluster().startController();
        waitUntilTerminated(job);
        cluster().waitForLog("job_submit/hang_detector: run finished");

        const std::string prefix = "job_submit/hang_detector: ";
        std::istringstream lines(cluster().log());
        for (std::string line; std::getline(lines, line);) {
            if (line.find("forged") == std::string::npos)
                continue;
            CPPUNIT_ASSERT_MESSAGE(line, isOneLineOfText(line));
            const LogRecord record = LogRecord::read(line.substr(line.find(prefix) + prefix.size()));
            CPPUNIT_ASSERT_EQUAL(std::string("job terminated"), record.event);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(line, std::size_t{7}, record.pairs.size());
            CPPUNIT_ASSERT_EQUAL(job, record.pairs.at(0).second);
            CPPUNIT_ASSERT_EQUAL(stage, record.pairs.at(5).second);
        }
        CPPUNIT_ASSERT_EQUAL_MESSAGE(cluster().log(), std::size_t{1}, cluster().countInLog("forged"));
    }

    void writeSettingsWithMetricsFile()
    {
        // Everybody may enter it; only root may write to it.
        std::filesystem::permissions(_metrics.path(), std::filesystem::perms(0755));
        cluster().writeSettings(settings() + "MetricsFile=" + metricsFile().string() + '\n');
    }

    void writesMetricsOnceItMay()
    /// It runs as Slurm's user.
    {
        writeSettingsWithMetricsFile();
        cluster().startController();
        waitUntilTerminated(database().addJob());
        cluster().waitForLog("error: job_submit/hang_detector: metrics file cannot be written path=" +
                             metricsFile().string() + " error=\"Permission denied\"");
        CPPUNIT_ASSERT(cluster().controllerAnswers());

        giveToSlurm();
        cluster().waitForLog("] job_submit/hang_detector: metrics file is written again path=");
        awaitSample(R"(jobs_terminated_total{reason="hung",type="template_version_import"} 1)");
        CPPUNIT_ASSERT_EQUAL_MESSAGE(cluster().log(), std::size_t{1},
                                     cluster().countInLog("metrics file cannot"));
        CPPUNIT_ASSERT_EQUAL(std::filesystem::perms(0644),
                             std::filesystem::status(metricsFile()).permissions());
    }

    void keepsTheMetricsWhenSlurmctldEnds()
    /// The cluster in them is named as Slurm does.
    {
        writeSettingsWithMetricsFile();
        cluster().configure("ClusterName", "TEST");
        giveToSlurm();
        cluster().startController();
        awaitSample("database_up 1");
        cluster().stopController(10s);
        CPPUNIT_ASSERT(has("database_up 1"));
    }

    void giveToSlurm() { Sim::mustRun({"chown", "slurm", _metrics.path().string()}); }

    bool has(const std::string& sample) const
    {
        return contains(sampleLine(sample), _metrics.read("hang_detector.prom"));
    }

    void awaitSample(const std::string& sample)
    {
        await(sample, [&] { return has(sample); });
    }

    std::filesystem::path metricsFile() const { return _metrics.path() / "hang_detector.prom"; }

    const TemporaryDirectory _metrics;
};

CPPUNIT_TEST_SUITE_REGISTRATION(PluginInSlurmTest);

} // namespace HangDetection::Test
