// The plugin in a slurmctld that is well, with a database that is well.

#include "ContractTexts.h"
#include "Eventually.h"
#include "LogRecord.h"
#include "NotificationListener.h"
#include "Outage.h"
#include "ProcessState.h"
#include "Secret.h"
#include "SlurmFixture.h"

#include <cppunit/extensions/HelperMacros.h>

#include <filesystem>
#include <optional>
#include <sstream>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class PluginInSlurmTest : public SlurmFixture
{
    CPPUNIT_TEST_SUITE(PluginInSlurmTest);
    CPPUNIT_TEST(startsWithSlurmctld);
    CPPUNIT_TEST(terminatesAHungJob);
    CPPUNIT_TEST(leavesOtherProvisionerJobsAlone);
    CPPUNIT_TEST(letsSlurmJobsRunMeanwhile);
    CPPUNIT_TEST(letsSlurmJobsBeModified);
    CPPUNIT_TEST(goesOnAfterReconfigure);
    CPPUNIT_TEST(stopsWhenTakenOutOfSlurmConf);
    CPPUNIT_TEST(startsAgainWhenPutBackIntoSlurmConf);
    CPPUNIT_TEST(readsTheSettingsFileThatSlurmConfNames);
    CPPUNIT_TEST(tellsThePasswordNowhere);
    CPPUNIT_TEST(letsNoTextOfTheDatabasePassForALine);
    CPPUNIT_TEST_SUITE_END();

    void startsWithSlurmctld()
    {
        cluster().startController();
        cluster().waitForLog("] job_submit/hang_detector: started");
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, cluster().countInLog("job_submit/hang_detector: started"));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(cluster().log(), std::size_t{0},
                                     cluster().countInLog("error: job_submit/hang_detector"));
    }

    void terminatesAHungJob()
    {
        const std::string job = database().addBuildJob({}, {});
        database().addLog(job, "Planning infrastructure");
        Sim::NotificationListener listener(connectionString());
        listener.follow(job);

        cluster().startController();
        waitUntilTerminated(job);

        CPPUNIT_ASSERT_EQUAL(
            Sim::ContractTexts().error(),
            database().value("SELECT error FROM provisioner_jobs WHERE id = $1::uuid", job).value());
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

        cluster().waitForLog("] job_submit/hang_detector: run finished terminated=1 hung=1");
        cluster().waitForLog("] job_submit/hang_detector: job terminated job_id=" + job +
                             " reason=hung type=workspace_build");
        CPPUNIT_ASSERT_EQUAL(std::size_t{1},
                             cluster().countInLog("job_submit/hang_detector: job terminated job_id="));
    }

    void leavesOtherProvisionerJobsAlone()
    {
        const std::string silentForLess = database().addJob({.updatedAgo = "200 seconds"});
        const std::string completed = database().addJob({.completedAgo = "6 minutes"});
        const std::string hung = database().addJob();

        cluster().startController();
        waitUntilTerminated(hung);
        cluster().waitForLog("run finished terminated=1 hung=1");

        CPPUNIT_ASSERT(!isTerminated(silentForLess));
        CPPUNIT_ASSERT(!database()
                            .value("SELECT error FROM provisioner_jobs WHERE id = $1::uuid", completed)
                            .has_value());
    }

    void letsSlurmJobsRunMeanwhile()
    {
        cluster().startController();
        cluster().startNode();
        const std::string hung = database().addJob();
        const std::string job = cluster().submit("echo done > job-output");

        cluster().waitForState(job, "COMPLETED");
        CPPUNIT_ASSERT(std::filesystem::file_size(cluster().directory() / "job-output") > 0);
        waitUntilTerminated(hung);
    }

    void letsSlurmJobsBeModified()
    {
        cluster().startController();
        cluster().startNode();
        const std::string job = cluster().submit("true", {"--hold"});

        cluster().run({"scontrol", "update", "JobId=" + job, "TimeLimit=7", "Comment=changed"});
        const std::string known = cluster().run({"scontrol", "show", "job", job});
        CPPUNIT_ASSERT_MESSAGE(known, known.find("TimeLimit=00:07:00") != std::string::npos);
        CPPUNIT_ASSERT_MESSAGE(known, known.find("Comment=changed") != std::string::npos);

        cluster().run({"scontrol", "release", job});
        cluster().waitForState(job, "COMPLETED");
    }

    void goesOnAfterReconfigure()
    {
        cluster().startController();
        waitUntilTerminated(database().addJob());

        cluster().reconfigure();
        CPPUNIT_ASSERT(cluster().controllerAnswers());
        waitUntilTerminated(database().addJob());
        const std::size_t starts = SlurmCluster::isReconfiguredByStart() ? 2 : 1;
        CPPUNIT_ASSERT_EQUAL(starts, cluster().countInLog("job_submit/hang_detector: started"));
    }

    void stopsWhenTakenOutOfSlurmConf()
    {
        cluster().startController();
        waitUntilTerminated(database().addJob());
        CPPUNIT_ASSERT(isDetectorConnected());

        cluster().configure("JobSubmitPlugins", "");
        cluster().reconfigure();
        if (!eventually(10s, [this] { return !isDetectorConnected(); }))
            CPPUNIT_FAIL(cluster().log());
        const std::string hung = database().addJob();
        // Nothing tells that nothing happens; two intervals have to do.
        CPPUNIT_ASSERT(!eventually(2s, [&] { return isTerminated(hung); }));
        CPPUNIT_ASSERT(cluster().controllerAnswers());
    }

    void startsAgainWhenPutBackIntoSlurmConf()
    {
        cluster().startController();
        cluster().waitForLog("job_submit/hang_detector: started");
        for (std::size_t starts = 2; starts <= 3; ++starts) {
            cluster().configure("JobSubmitPlugins", "");
            cluster().reconfigure();
            cluster().configure("JobSubmitPlugins", "hang_detector");
            cluster().reconfigure();
            cluster().waitForLog("job_submit/hang_detector: started", 15s, starts);
            waitUntilTerminated(database().addJob());
        }
        CPPUNIT_ASSERT(cluster().controllerAnswers());
    }

    void readsTheSettingsFileThatSlurmConfNames()
    {
        const auto file = cluster().directory() / "elsewhere.conf";
        cluster().removeSettings();
        SlurmCluster::writeSettings(file, settings());
        cluster().configure("SlurmctldParameters", "hang_detector_conf=" + file.string());

        cluster().startController();
        waitUntilTerminated(database().addJob());
    }

    void tellsThePasswordNowhere()
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
        CPPUNIT_ASSERT_MESSAGE(configuration, configuration.find("hang_detector") != std::string::npos);
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
