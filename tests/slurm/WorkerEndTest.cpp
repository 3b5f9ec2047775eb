// Workers that end in a real Slurm, in each way, and what becomes of their provisioner jobs.

#include "Figure.h"
#include "SlurmFixture.h"

#include <Poco/String.h>

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
        // So soon slurmctld notices that a node is dead.
        cluster().configure("SlurmdTimeout", "5");
        cluster().configure("SlurmctldDebug", "debug");
        cluster().writeSettings("Connection=" + connectionString() +
                                " application_name=detector_in_slurmctld\n"
                                "EndedJobDuration=30s\nTrustedUsers=root\nReleaseAllocations=yes\n");
        cluster().startController();
        cluster().startNode();
        cluster().startNode("node1");
        cluster().startNode("node2");
    }

private:
    using Clock = std::chrono::steady_clock;

    struct Worker
    {
        std::string slurmJob;
        std::string job;
    };

    Worker startWorker(const std::string& daemon, const std::string& script, Sim::CommandLine options = {})
    /// A Slurm job with a daemon that has taken a job and reports for the last time.
    {
        options.push_back("--comment=provisioner_daemon=" + daemon);
        options.insert(options.end(), {"--ntasks=1", "--nodelist=node1"});
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

    TEST(failsTheJobsOfWorkersThatEnd)
    {
        std::map<std::string, Worker> ended;
        ended["TIMEOUT"] = startWorker("timeout", "exec sleep 600", {"--time=1"});
        ended["FAILED"] = startWorker("failed", "sleep 2; exit 3");
        ended["COMPLETED"] = startWorker("completed", "sleep 2");
        ended["CANCELLED"] = startWorker("cancelled", "exec sleep 600");
        const Worker requeued = startWorker("requeued", "exec sleep 600", {"--requeue"});
        const Worker suspended = startWorker("suspended", "exec sleep 600");
        const Worker running = startWorker("running", "exec sleep 600");
        cluster().run({"scancel", ended["CANCELLED"].slurmJob});
        cluster().run({"scontrol", "requeue", requeued.slurmJob});
        cluster().run({"scontrol", "suspend", suspended.slurmJob});
        // It comes back under its name. Otherwise Slurm lets it wait for two minutes.
        cluster().waitForState(requeued.slurmJob, "PENDING");
        cluster().run({"scontrol", "update", "job=" + requeued.slurmJob, "starttime=now"});
        cluster().waitForState(requeued.slurmJob, "RUNNING");

        std::map<std::string, Clock::time_point> stated;
        std::map<std::string, Clock::time_point> failed;
        CPPUNIT_ASSERT_MESSAGE(log(), eventually(240s, [&] {
                                   for (const auto& [state, worker] : ended) {
                                       const std::string shown = cluster().show(worker.slurmJob);
                                       if (shown.find("JobState=" + state + ' ') != std::string::npos)
                                           stated.try_emplace(state, Clock::now());
                                       if (isCompleted(worker.job))
                                           failed.try_emplace(state, Clock::now());
                                   }
                                   return failed.size() == ended.size();
                               }));
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
            figure() << "WorkerEndTest: a job was failed "
                     << std::chrono::duration_cast<std::chrono::seconds>(failed.at(state) - stated.at(state))
                            .count()
                     << " s after Slurm stated " << state << '\n';
        }
        for (const Worker& worker : {requeued, suspended, running})
            CPPUNIT_ASSERT(!isCompleted(worker.job));
    }

    TEST(marksADaemonAsTheReadmeSays)
    /// Each task of an array has a name of its own.
    {
        static const std::regex block("\n    #!/bin/sh\n((    .*\n)+)");
        const std::string readme = textOf(README);
        std::smatch script;
        CPPUNIT_ASSERT(std::regex_search(readme, script, block));
        const auto& directory = cluster().directory();
        std::ofstream(directory / "provisioner.key") << "secret";
        std::ofstream(directory / "coder") << "#!/bin/sh\ntouch \"run/$CODER_PROVISIONER_DAEMON_NAME\"\n"
                                              "exec sleep 600\n";
        std::filesystem::permissions(directory / "coder", std::filesystem::perms(0755));
        const std::string array = cluster().submit(
            std::regex_replace(script[1].str(), std::regex("(^|\n)    "), "$1"),
            {"--array=1-2", "--ntasks=1",
             "--export=ALL,HOME=" + directory.string() + ",PATH=" + directory.string() + ":/usr/bin:/bin"});
        for (const std::string task : {"1", "2"}) {
            const std::string name = "provisioner-" + array + '-' + task;
            await("the daemon " + name, [&] { return std::filesystem::exists(directory / "run" / name); });
            assertContains("Comment=provisioner_daemon=" + name + ' ', cluster().show(array + '_' + task));
        }
    }

    TEST(failsTheJobOfANodeThatDies)
    {
        const Worker worker = startWorker("node", "exec sleep 600", {"--no-requeue"});
        cluster().killNode("node1");
        cluster().waitForState(worker.slurmJob, "NODE_FAIL");
        const auto stated = Clock::now();
        CPPUNIT_ASSERT_MESSAGE(log(), eventually(90s, [&] { return isCompleted(worker.job); }));
        figure() << "WorkerEndTest: a job was failed "
                 << std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - stated).count()
                 << " s after Slurm stated NODE_FAIL\n";
        CPPUNIT_ASSERT_EQUAL("Coder: Build has been detected as dead (Slurm job " + worker.slurmJob +
                                 ": NODE_FAIL) and has been terminated by hang detector.",
                             error(worker.job));
    }
};

} // namespace HangDetection::Test
