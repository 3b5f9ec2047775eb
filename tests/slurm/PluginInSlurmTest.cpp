// The plugin in a slurmctld that is well, with a database that is well.

#include "ContractTexts.h"
#include "Figure.h"
#include "LogRecord.h"
#include "NotificationListener.h"
#include "Outage.h"
#include "ProcessState.h"
#include "Secret.h"
#include "SlurmFixture.h"

#include <cppunit/extensions/HelperMacros.h>

#include <filesystem>
#include <fstream>
#include <optional>
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
    CPPUNIT_TEST(goesOnAfterReconfigure);
    CPPUNIT_TEST(stopsWhenTakenOutOfSlurmConfUntilPutBack);
    CPPUNIT_TEST(hasOneThreadAndOneConnection);
    CPPUNIT_TEST(keepsTheMemoryOfSlurmctldFlat);
    CPPUNIT_TEST(readsTheSettingsFileThatSlurmConfNames);
    CPPUNIT_TEST(showsThePasswordNowhere);
    CPPUNIT_TEST(letsNoTextOfTheDatabasePassForALine);
    CPPUNIT_TEST_SUITE_END();

    std::optional<std::string> errorOf(const std::string& job)
    {
        return database().value("SELECT error FROM provisioner_jobs WHERE id = $1::uuid", job);
    }

    void terminatesAHungJobAndNoOther()
    {
        const std::string silentForLess = database().addJob({.updatedAgo = "200 seconds"});
        const std::string completed = database().addJob({.completedAgo = "6 minutes"});
        const std::string job = database().addBuildJob({}, {});
        database().addLog(job, "Planning infrastructure");
        Sim::NotificationListener listener(connectionString());
        listener.follow(job);

        cluster().startController();
        waitUntilTerminated(job);

        CPPUNIT_ASSERT_EQUAL(Sim::ContractTexts().error(), errorOf(job).value());
        const auto logs = database().logs(job);
        CPPUNIT_ASSERT_EQUAL(std::size_t{6}, logs.size());
        CPPUNIT_ASSERT_EQUAL(std::string("Planning infrastructure"), logs.back().stage);
        CPPUNIT_ASSERT_EQUAL(Sim::ContractTexts().line(), logs.at(3).output);

        const auto notification = listener.next(10s);
        CPPUNIT_ASSERT(notification);
        CPPUNIT_ASSERT_EQUAL(job, notification->jobId);
        CPPUNIT_ASSERT_EQUAL("{\"created_after\":" + std::to_string(logs.at(1).id - 1) +
                                 ",\"end_of_logs\":true}",
                             notification->payload);

        cluster().waitForLog("] job_submit/hang_detector: started");
        cluster().waitForLog("] job_submit/hang_detector: run finished terminated=1 hung=1");
        cluster().waitForLog("] job_submit/hang_detector: job terminated job_id=" + job +
                             " reason=hung type=workspace_build");
        CPPUNIT_ASSERT_EQUAL(std::size_t{1},
                             cluster().countInLog("job_submit/hang_detector: job terminated job_id="));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, startsOfDetector());
        assertLacks("error: job_submit/hang_detector", cluster().log());

        CPPUNIT_ASSERT(!isTerminated(silentForLess));
        CPPUNIT_ASSERT(!errorOf(completed).has_value());
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

    void goesOnAfterReconfigure()
    {
        cluster().startController();
        waitUntilTerminated(database().addJob());

        cluster().reconfigure();
        CPPUNIT_ASSERT(cluster().controllerAnswers());
        waitUntilTerminated(database().addJob());
        CPPUNIT_ASSERT_EQUAL(std::size_t{SlurmCluster::isReconfiguredByStart() ? 2U : 1U},
                             startsOfDetector());
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
    {
        cluster().configure("SlurmctldDebug", "debug5");
        cluster().configure("DebugFlags", "Protocol");
        cluster().writeSettings("Connection=" + connectionString() + " password=" + Secret::quoted +
                                "\nInterval=1\n");
        cluster().startController();
        waitUntilTerminated(database().addJob());
        CPPUNIT_ASSERT(threadsOf(cluster().controller()).contains("hang_detector"));
        Secret::assertNotIn(seenOf(cluster().controller()));
        const std::string configuration = cluster().run({"scontrol", "show", "config"});
        assertContains("hang_detector", configuration);
        Secret::assertNotIn(configuration);
        {
            const Outage outage(server());
            cluster().waitForLog("job_submit/hang_detector: run failed");
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
};

CPPUNIT_TEST_SUITE_REGISTRATION(PluginInSlurmTest);

} // namespace HangDetection::Test
