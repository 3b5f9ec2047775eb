// What the plugin does in a slurmctld, and that it keeps slurmctld from nothing.

#include "Figure.h"
#include "MetricsText.h"
#include "ProcessState.h"
#include "RememberedJobs.h"
#include "ServerFaults.h"
#include "SlurmFixture.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class PluginInSlurmTest : public SlurmFixture
{
    TEST_SUITE(PluginInSlurmTest);

    TEST(terminatesAHungJobAndNoOther)
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
        cluster().waitForLog("] job_submit/hang_detector: job terminated job_id=" + job +
                             " reason=hung type=");
        cluster().waitForLog("] job_submit/hang_detector: run finished terminated=1 hung=1");
        assertLacks("error: job_submit/hang_detector", cluster().log());
    }

    TEST(letsSlurmJobsRunAndBeModifiedMeanwhile)
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

    TEST(startsAndSchedulesWithoutTheDatabase)
    {
        const std::string hung = database().addJob();
        {
            const Outage outage(server());
            cluster().startController();
            cluster().startNode();
            cluster().waitForState(cluster().submit("true"), "COMPLETED");
            cluster().waitForLog(
                "error: job_submit/hang_detector: run failed error=\"connection to server on");
        }
        reconnect();
        waitUntilTerminated(hung);
        cluster().waitForLog("] job_submit/hang_detector: database answers again failed_runs=");
    }

    void expectRefused(const std::string& reason)
    /// slurmctld does not start, and its log says what to change.
    {
        CPPUNIT_ASSERT_EQUAL_MESSAGE(reason, 1, cluster().runRefusedController());
        assertContains("error: job_submit/hang_detector: ", cluster().log());
        assertContains(reason, cluster().log());
        assertContains("fatal: failed to initialize job_submit plugin", cluster().log());
    }

    TEST(schedulesWhileItsFileIsWrong)
    /// A line is wrong, SlurmUser may not read the file, or it is not there. The log says what to change,
    /// without the password. When the file is right, the detector begins.
    {
        const std::filesystem::path file = cluster().directory() / "hang_detector.conf";
        const std::string job = database().addJob();
        cluster().writeSettings("Interval=5\nConnection=dbname=coder password open-sesame\n");
        cluster().startController();
        cluster().startNode();
        cluster().waitForLog("error: job_submit/hang_detector: run failed error=\"" + file.string() +
                             ":2: Connection: is not a libpq connection string; allowed: keyword=");
        assertLacks("open-sesame", cluster().log());
        cluster().waitForState(cluster().submit("true"), "COMPLETED");
        cluster().writeSettings(settings(), std::filesystem::perms::none);
        cluster().waitForLog("cannot be read: Permission denied; it belongs beside slurm.conf");
        std::filesystem::remove(file);
        cluster().waitForLog("cannot be read: No such file or directory");
        CPPUNIT_ASSERT(!isCompleted(job));
        cluster().writeSettings(settings());
        waitUntilTerminated(job);
    }

    TEST(refusesARelativePathInSlurmConf)
    {
        cluster().configure("SlurmctldParameters", "hang_detector_conf=elsewhere.conf");
        expectRefused(
            "slurm.conf: SlurmctldParameters: hang_detector_conf=elsewhere.conf is not an absolute path");
    }

    TEST(hasOneThreadAndOneConnectionAndListensNowhere)
    {
        cluster().startController();
        for (int run = 0; run < 3; ++run)
            waitUntilTerminated(database().addJob());
        await("a single thread", [this] {
            auto names = threadsOf(cluster().controller());
            std::erase_if(names, [](const std::string& name) { return !name.starts_with("hang_"); });
            return names == std::multiset<std::string>{"hang_detector"};
        });
        CPPUNIT_ASSERT(
            database().isTrue("SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = $1",
                              "detector_in_slurmctld"));
        // slurmctld's own port is all that another user can connect to.
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, listeningSocketsOf(cluster().controller()));
    }

    long residentKilobytes()
    {
        long all = 0;
        long resident = 0;
        std::ifstream("/proc/" + std::to_string(cluster().controller()) + "/statm") >> all >> resident;
        CPPUNIT_ASSERT_MESSAGE("slurmctld is gone", resident > 0);
        return resident * (sysconf(_SC_PAGESIZE) / 1024);
    }

    TEST(keepsTheMemoryOfSlurmctldFlat)
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

    TEST(keepsTheMetricsWhenSlurmctldEnds)
    /// It writes them as Slurm's user. The cluster in them is named as Slurm does.
    {
        const std::filesystem::path file = _metrics.path() / "hang_detector.prom";
        const auto has = [this](const std::string& sample) {
            return contains(sampleLine(sample), _metrics.read("hang_detector.prom"));
        };
        cluster().writeSettings(settings() + "MetricsFile=" + file.string() + '\n');
        cluster().configure("ClusterName", "TEST");
        Sim::mustRun({"chown", "slurm", _metrics.path().string()});
        cluster().startController();
        await("metrics", [&] { return has("database_up 1"); });
        cluster().stopController(10s);
        CPPUNIT_ASSERT(has("database_up 1"));
        CPPUNIT_ASSERT_EQUAL(std::filesystem::perms(0644), std::filesystem::status(file).permissions());
    }

    const TemporaryDirectory _metrics;
};

} // namespace HangDetection::Test
