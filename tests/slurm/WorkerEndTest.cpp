// Workers that end in a real Slurm, in each way, and what becomes of their provisioner jobs.

#include "Figure.h"
#include "SlurmFixture.h"

#include <Poco/String.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class WorkerEndTest : public SlurmFixture
{
    TEST_SUITE(WorkerEndTest);

public:
    void setUp() override
    {
        SlurmFixture::setUp();
        cluster().setProcessors(8);
        cluster().addNodes({"node1", "node2"});
        // slurmctld notices that a node is dead while the job with a time limit still runs. It asks no other
        // node until a dead one has timed out, once or twice, so that must not take them as long.
        cluster().configure("SlurmdTimeout", "30");
        cluster().configure("MessageTimeout", "5");
        cluster().configure("SlurmctldDebug", "debug");
        // Only the backfill scheduler starts a job of several parts.
        cluster().configure("SchedulerParameters", "bf_interval=1");
        writeSettings("EndedJobDuration=30s");
        cluster().startController();
        cluster().startNode();
        cluster().startNode("node1");
        cluster().startNode("node2");
    }

private:
    struct Worker
    {
        std::string slurmJob;
        std::string job;
    };

    void writeSettings(const std::string& duration)
    {
        cluster().writeSettings("Connection=" + connectionString() +
                                " application_name=detector_in_slurmctld\n"
                                "TrustedUsers=root\nReleaseAllocations=yes\n" +
                                duration + '\n');
    }

    Worker startWorker(const std::string& daemon, const std::string& script, Sim::CommandLine options = {},
                       const std::string& node = "node1")
    /// A Slurm job with a daemon that has taken a job and reports for the last time.
    {
        options.push_back("--comment=provisioner_daemon=" + daemon);
        options.insert(options.end(), {"--ntasks=1", "--nodelist=" + node});
        Worker worker{cluster().submit(script, options), ""};
        cluster().waitForState(worker.slurmJob, "RUNNING");
        const std::string id = database().addDaemon(daemon);
        worker.job = database().addJob({.startedAgo = "0", .updatedAgo = "0", .worker = id});
        return worker;
    }

    std::string error(const std::string& job)
    {
        return database().value("SELECT error FROM provisioner_jobs WHERE id = $1::uuid", job).value_or("");
    }

    void tellDelay(const std::string& state, const Worker& worker)
    /// From the end of the Slurm job, in whole seconds as Slurm has it, to the failure of its job.
    {
        static const std::regex end("EndTime=([0-9T:-]+)");
        const std::string shown = cluster().show(worker.slurmJob);
        std::smatch found;
        CPPUNIT_ASSERT_MESSAGE(shown, std::regex_search(shown, found, end));
        // Here, the clock of the database is Slurm's.
        const auto seconds =
            database().value("SELECT round(extract(epoch FROM completed_at - $1::timestamp AT TIME "
                             "ZONE current_setting('TimeZone')))::text FROM provisioner_jobs "
                             "WHERE id = '" +
                                 worker.job + "'",
                             found.str(1));
        figure() << "WorkerEndTest: a job was failed " << seconds.value_or("?") << " s after Slurm's job was "
                 << state << '\n';
    }

    TEST(failsTheJobsOfWorkersThatEnd)
    {
        std::map<std::string, Worker> ended;
        ended["TIMEOUT"] = startWorker("timeout", "exec sleep 600", {"--time=1"});
        ended["FAILED"] = startWorker("failed", "sleep 2; exit 3");
        ended["COMPLETED"] = startWorker("completed", "sleep 2");
        ended["CANCELLED"] = startWorker("cancelled", "exec sleep 600");
        ended["NODE_FAIL"] = startWorker("node", "exec sleep 600", {"--no-requeue"}, "node2");
        const Worker requeued = startWorker("requeued", "exec sleep 600", {"--requeue"});
        const Worker suspended = startWorker("suspended", "exec sleep 600");
        const Worker running = startWorker("running", "exec sleep 600");
        cluster().killNode("node2");
        cluster().run({"scancel", ended["CANCELLED"].slurmJob});
        cluster().run({"scontrol", "requeue", requeued.slurmJob});
        cluster().run({"scontrol", "suspend", suspended.slurmJob});
        // It comes back under its name. Otherwise Slurm lets it wait for two minutes. In the same second,
        // slurmd would take it for the job that was just ended.
        cluster().waitForState(requeued.slurmJob, "PENDING");
        cluster().run({"scontrol", "update", "job=" + requeued.slurmJob, "starttime=now+1"});
        cluster().waitForState(requeued.slurmJob, "RUNNING");

        const auto isOver = [this](const auto& entry) { return isCompleted(entry.second.job); };
        const bool areAllOver = eventually(240s, [&] { return std::ranges::all_of(ended, isOver); });
        CPPUNIT_ASSERT_MESSAGE(log(), areAllOver);
        for (const auto& [state, worker] : ended) {
            const std::string why = "Slurm job " + worker.slurmJob + ": " + state;
            CPPUNIT_ASSERT_EQUAL("Coder: Build has been detected as dead (" + why +
                                     ") and has been terminated by hang detector.",
                                 error(worker.job));
            CPPUNIT_ASSERT_EQUAL("Coder: Build has been detected as dead (" + why +
                                     ") and will be terminated.",
                                 database().logs(worker.job).at(2).output);
            assertContains(" reason=ended slurm_job=" + worker.slurmJob + " slurm_state=" + state + ' ',
                           log());
            tellDelay(state, worker);
        }
        for (const Worker& worker : {requeued, suspended, running})
            CPPUNIT_ASSERT(!isCompleted(worker.job));
    }

    TEST(knowsTheEndsAfterARestart)
    /// Slurm saves them. A job of several parts has ended when its last part has.
    {
        const Worker cancelled = startWorker("cancelled", "exec sleep 600");
        const Worker parted =
            startWorker("parted", "exec sleep 600",
                        {"--comment=provisioner_daemon=parted", "--ntasks=1", "--nodelist=node2", ":"});
        const Worker running = startWorker("running", "exec sleep 600");
        cluster().run({"scancel", cancelled.slurmJob});
        cluster().run({"scancel", parted.slurmJob + "+1"});
        for (const std::string& ended : {cancelled.slurmJob, parted.slurmJob + "+1"})
            cluster().waitForState(ended, "CANCELLED");
        writeSettings("EndedJobDuration=10s");
        CPPUNIT_ASSERT_EQUAL(0, cluster().stopController(patience));
        cluster().startController();
        waitUntilTerminated(cancelled.job);
        assertContains("(Slurm job " + cancelled.slurmJob + ": CANCELLED)", error(cancelled.job));
        CPPUNIT_ASSERT(!isCompleted(parted.job));

        cluster().run({"scancel", parted.slurmJob});
        waitUntilTerminated(parted.job);
        assertContains("(Slurm job " + parted.slurmJob + ": CANCELLED)", error(parted.job));
        CPPUNIT_ASSERT(!isCompleted(running.job));
    }

    TEST(marksADaemonAsTheManualPageSays)
    /// Each task of an array has a name of its own.
    {
        static const std::regex block("\n#!/bin/sh\n(([^.].*\n)+)[.]Ed\n");
        const std::string page = textOf(MANUAL_PAGE);
        std::smatch script;
        CPPUNIT_ASSERT(std::regex_search(page, script, block));
        const auto& directory = cluster().directory();
        std::ofstream(directory / "provisioner.key") << "secret";
        std::ofstream(directory / "coder") << "#!/bin/sh\ntouch \"run/$CODER_PROVISIONER_DAEMON_NAME\"\n"
                                              "exec sleep 600\n";
        std::filesystem::permissions(directory / "coder", std::filesystem::perms(0755));
        const std::string array =
            cluster().submit(Poco::replace(script.str(1), std::string("\\e"), std::string("\\")),
                             {"--array=1-2", "--ntasks=1",
                              "--export=ALL,HOME=" + directory.string() + ",PATH=" + directory.string() +
                                  ':' + SlurmCluster::searchPath()});
        for (const std::string task : {"1", "2"}) {
            const std::string name = "provisioner-" + array + '-' + task;
            await("the daemon " + name, [&] { return std::filesystem::exists(directory / "run" / name); });
            assertContains("Comment=provisioner_daemon=" + name + ' ', cluster().show(array + '_' + task));
        }
    }
};

} // namespace HangDetection::Test
