#include "ServiceFixture.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class SettingsChangeTest : public ServiceFixture
/// hang_detector.conf is changed while the detector is at work.
{
    TEST_SUITE(SettingsChangeTest);

    TEST(takesEffectAndSaysWhatChanged)
    {
        start("HungJobDuration=1h\nMaxJobsPerRun=5\n");
        const std::string job = database().addJob({.updatedAgo = "10 minutes"});
        awaitRuns();
        CPPUNIT_ASSERT(!isCompleted(job));

        write("HungJobDuration=5m\nRunTimeout=7\nMaxJobsPerRun=5\n");
        awaitLine("information: settings read again HungJobDuration=\"1h -> 5m\" RunTimeout=\"5m -> 7s\"");
        awaitTerminated(job);
        CPPUNIT_ASSERT(logContains("threshold_s=300"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(log(), "settings read again"));
    }

    TEST(doesNotWaitAnIntervalForAFileThatWasJustWritten)
    {
        const std::string connection = connectionString(detectorRole);
        writeSettings(connection, "Interval=1h\n");
        makeService();
        writeSettings(connection, "Interval=1h\nRunTimeout=7\n");
        service().start();
        awaitLine("information: settings read again RunTimeout=\"5m -> 7s\"");
    }

    TEST(waitsForAFileThatIsRight)
    /// From the start. Nothing is terminated meanwhile, and the log says so once a minute.
    {
        const std::string job = database().addJob();
        for (const std::string wrong : {"Interval=0\n", "Intervall=1\n"}) {
            writeSettings(wrong);
            if (wrong == "Interval=0\n")
                startService();
            awaitLine("error: run failed error=\"" + settingsFile().string() +
                      ":2: " + wrong.substr(0, wrong.find('=')) + ": ");
        }
        const auto logged = [this] { return count(log(), "nothing is terminated until the file is right"); };
        const auto before = logged();
        std::this_thread::sleep_for(2500ms);
        CPPUNIT_ASSERT_EQUAL(before, logged());
        CPPUNIT_ASSERT(!isCompleted(job));
        write("DryRun=yes\n");
        awaitLine("information: started version=");
        CPPUNIT_ASSERT(logContains(" settings=" + settingsFile().string() + " dry_run=yes"));
        write("");
        awaitTerminated(job);
    }

    TEST(runsAtTheNewInterval)
    {
        start("");
        writeSettings("Interval=1h\n");
        awaitLine("information: settings read again Interval=\"1s -> 1h\"");
        // That of this tick, and none of three more at the old interval.
        expectNoMoreRunsThan(runsFinished() + 1, 3500ms);
    }

    TEST(boundsItsStatementsByTheNewRunTimeout)
    {
        // The server is told when a session begins.
        start("");
        const Text before = backendOfDetector();
        write("RunTimeout=7\n");
        awaitLine("information: settings read again RunTimeout=\"5m -> 7s\"");
        await([&] {
            const Text now = backendOfDetector();
            return now && now != before;
        });
    }

    TEST(goesToAnotherDatabase)
    {
        const std::string other = databaseName() + "_2";
        start("");
        server().createDatabase(other);
        Sim::JobDatabase otherDatabase(server().connectionString(other));
        const std::string job = otherDatabase.addJob();
        applyRoleScriptTo(server().connectionString(other));
        writeSettings(server().connectionString(other) + " user=" + detectorRole + " password=geheim123",
                      "Interval=1\n");
        awaitLine("information: settings read again Connection=changed");
        await([&] { return otherDatabase.isCompleted(job); });
        CPPUNIT_ASSERT_MESSAGE(log(), !logContains("geheim123"));
        await([this] { return !backendOfDetector(); }); // its session at the first one is gone
    }

    TEST(refusesAWrongFileAndKeepsTheSettingsUntilItIsGood)
    {
        start("");
        write("HungJobDuration=1h\nIntervall=5\n");
        awaitLine("error: " + settingsFile().string() +
                  ":4: Intervall: is not a known key; allowed: Connection");
        CPPUNIT_ASSERT(logContains("; the settings stay as they were"));
        awaitTerminated(addHungJob());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(log(), "Intervall"));
        write("");
        awaitLine("information: settings read again");
        CPPUNIT_ASSERT(!logContains("->"));
    }

    TEST(goesOnWithoutTheFile)
    {
        start("");
        std::filesystem::remove(settingsFile());
        awaitLine("error: " + settingsFile().string() + ": cannot be read: No such file");
        awaitTerminated(addHungJob());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(log(), "error: "));
    }

    TEST(doesNotForgetAMassHang)
    {
        addHungJobs(30);
        start("");
        awaitLine("warning: mass hang, no job is terminated for now hung=30 silent=30 running=30");
        write("MassHangMinJobs=25\n");
        awaitLine("information: settings read again MassHangMinJobs=\"20 -> 25\"");
        awaitRuns();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(log(), "mass hang, no job"));
        CPPUNIT_ASSERT(!logContains("job terminated"));

        write("MassHangMinJobs=30\n");
        awaitLine("information: mass hang over");
        awaitLine("information: run finished terminated=10 hung=30");
    }

    void write(const std::string& settings) { writeSettings("Interval=1\n" + settings); }

    void start(const std::string& settings)
    {
        write(settings);
        startService();
        awaitRunsFinished(1);
    }

    void awaitRuns() { awaitRunsFinished(runsFinished() + 2); }
    /// Of two more runs one was begun after now.
};

} // namespace HangDetection::Test
