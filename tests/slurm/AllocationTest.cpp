// Allocations of a real Slurm: marked, suspended, requeued, given back.

#include "Command.h"
#include "Count.h"
#include "Eventually.h"
#include "HeldTerminations.h"
#include "SlurmFixture.h"
#include "slurm/SlurmRelease.h"

#include <Poco/String.h>
#include <Poco/StringTokenizer.h>
#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class AllocationTest : public SlurmFixture
{
    CPPUNIT_TEST_SUITE(AllocationTest);
    CPPUNIT_TEST(releasesTheAllocationOfAHungJob);
    CPPUNIT_TEST(keepsItWhenSwitchedOff);
    CPPUNIT_TEST(releasesTwoJobsWithTheSameMark);
    CPPUNIT_TEST(releasesOneTaskOfAnArray);
    CPPUNIT_TEST(releasesAnArrayOfWhichSomeTasksWait);
    CPPUNIT_TEST(releasesAnArrayThatRunsAFewTasksAtATime);
    CPPUNIT_TEST(releasesAnArrayOfWhichScatteredTasksWait);
    CPPUNIT_TEST(releasesTasksThatStartMeanwhile);
    CPPUNIT_TEST(letsTheWorkerEndByItselfFirst);
    CPPUNIT_TEST(isNotHeldUpByAJobThatNeverRan);
    CPPUNIT_TEST(waitsForAJobThatIsSuspended);
    CPPUNIT_TEST(waitsForAJobThatIsStopped);
    CPPUNIT_TEST(waitsForAJobThatIsRequeued);
    CPPUNIT_TEST(waitsForANodeThatBoots);
    CPPUNIT_TEST(waitsForAPrologThatTakesLong);
    CPPUNIT_TEST(terminatesAJobWhoseAllocationHasEnded);
    CPPUNIT_TEST(releasesWhatWasTerminatedWhileSlurmctldWasAway);
    CPPUNIT_TEST(terminatesWhileSlurmDoesNotAnswer);
    CPPUNIT_TEST(keepsWhatTheAdministratorWrote);
    CPPUNIT_TEST(refusesAMarkThatIsNoUuid);
    CPPUNIT_TEST(refusesToChangeAMarkIntoJunk);
    CPPUNIT_TEST(addsItsReasonToWhatLuaSays);
    CPPUNIT_TEST(checksAMarkThatLuaWrites);
    CPPUNIT_TEST_SUITE_END();

    static constexpr const char* reason =
        "Coder: Build has been detected as hung for 5 minutes and has been terminated by hang detector.";

    void start(const std::string& more = "")
    {
        startWithoutNode(more);
        cluster().startNode();
    }

    void startWithoutNode(const std::string& more = "")
    {
        cluster().configure("SlurmctldDebug", "debug");
        cluster().writeSettings(settings() + "ReleaseAllocations=yes\n" + more);
        cluster().startController();
        // It asks Slurm once at the start, and would remember a job that was seen waiting.
        cluster().waitForLog("run finished");
    }

    std::string addHealthyJob() { return database().addJob({.updatedAgo = "1 second"}); }

    void silence(const std::string& job)
    /// As of six minutes ago.
    {
        database().execute(
            "UPDATE provisioner_jobs SET updated_at = now() - interval '6 minutes' WHERE id = '" + job + "'");
    }

    std::string submitMarked(const std::string& job)
    {
        return cluster().startSleeping({"--comment=team=a provisioner_job=" + job});
    }

    std::string show(const std::string& slurmJob)
    {
        return cluster().run({"scontrol", "show", "job", slurmJob});
    }

    std::string nodeState() { return Poco::trim(cluster().run({"sinfo", "--noheader", "--format=%T"})); }

    void expectReleased(const std::string& job, const std::string& slurmJob)
    {
        cluster().waitForLog("job_submit/hang_detector: allocation released job_id=" + job +
                             " slurm_job=" + slurmJob);
        cluster().waitForState(slurmJob, "CANCELLED");
        CPPUNIT_ASSERT_MESSAGE(show(slurmJob), show(slurmJob).find("AdminComment=" + std::string(reason)) !=
                                                   std::string::npos);
    }

    void expectSkipped(const std::string& job)
    /// In two more runs.
    {
        const std::string line = "job_submit/hang_detector: job skipped job_id=" + job + " cause=suspended";
        cluster().waitForLog(line, 15s, cluster().countInLog(line) + 2);
        CPPUNIT_ASSERT(!isTerminated(job));
    }

    void releasesTheAllocationOfAHungJob()
    {
        start();
        const std::string job = addHealthyJob();
        const std::string slurmJob = submitMarked(job);
        CPPUNIT_ASSERT_EQUAL(std::string("allocated"), nodeState());
        silence(job);
        waitUntilTerminated(job);
        expectReleased(job, slurmJob);
        CPPUNIT_ASSERT(eventually(15s, [&] { return nodeState() == "idle"; }));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, cluster().countInLog("allocation released"));
    }

    void keepsItWhenSwitchedOff()
    {
        start();
        cluster().writeSettings(settings() + "ReleaseAllocations=no\n");
        cluster().waitForLog("settings read again ReleaseAllocations=\"yes -> no\"");
        const std::string job = addHealthyJob();
        const std::string slurmJob = submitMarked(job);
        silence(job);
        waitUntilTerminated(job);
        cluster().waitForLog("run finished", 15s, cluster().countInLog("run finished") + 2);
        cluster().waitForState(slurmJob, "RUNNING");
    }

    void releasesTwoJobsWithTheSameMark()
    {
        cluster().setProcessors(3);
        start();
        const std::string job = addHealthyJob();
        const std::string first = submitMarked(job);
        const std::string second = submitMarked(job);
        const std::string other = submitMarked(addHealthyJob());
        silence(job);
        waitUntilTerminated(job);
        expectReleased(job, first);
        expectReleased(job, second);
        cluster().waitForState(other, "RUNNING");
    }

    std::vector<std::string> runningTasks()
    {
        const Poco::StringTokenizer tasks(
            cluster().run({"squeue", "--noheader", "--states=RUNNING", "--format=%F_%K"}), "\n",
            Poco::StringTokenizer::TOK_IGNORE_EMPTY | Poco::StringTokenizer::TOK_TRIM);
        std::vector<std::string> sorted(tasks.begin(), tasks.end());
        std::sort(sorted.begin(), sorted.end());
        return sorted;
    }

    void awaitRunningTasks(const std::vector<std::string>& tasks)
    {
        if (!eventually(30s, [&] { return runningTasks() == tasks; }))
            CPPUNIT_FAIL(cluster().run({"squeue", "--array"}) + cluster().log());
    }

    void expectEmptyQueue()
    {
        if (!eventually(30s, [this] { return cluster().run({"squeue", "--noheader"}).empty(); }))
            CPPUNIT_FAIL(cluster().run({"squeue", "--array"}) + cluster().log());
    }

    void releasesOneTaskOfAnArray()
    /// Whichever: the number of the last one is that of the array, and the others' mean nothing to scancel.
    {
        cluster().setProcessors(3);
        start();
        const std::string array = cluster().submit("sleep 600", {"--array=0-2"});
        awaitRunningTasks({array + "_0", array + "_1", array + "_2"});
        std::vector<std::string> left = runningTasks();
        while (left.size() > 1) {
            const std::string task = left.back();
            left.pop_back();
            const std::string job = addHealthyJob();
            cluster().run({"scontrol", "update", "job=" + task, "comment=provisioner_job=" + job});
            silence(job);
            waitUntilTerminated(job);
            cluster().waitForLog("allocation released job_id=" + job + " slurm_job=" + task);
            awaitRunningTasks(left);
        }
    }

    void releasesAnArrayOfWhichSomeTasksWait()
    {
        cluster().setProcessors(2);
        start();
        const std::string job = addHealthyJob();
        const std::string array =
            cluster().submit("sleep 600", {"--array=0-3", "--comment=provisioner_job=" + job});
        awaitRunningTasks({array + "_0", array + "_1"});
        silence(job);
        waitUntilTerminated(job);
        expectEmptyQueue();
        // In the place of a task that runs another would have started.
        const std::string log = cluster().log();
        const std::string released = "slurm_job=" + array;
        CPPUNIT_ASSERT_MESSAGE(log, log.find(released + "_[2-3]") < log.find(released + "_0"));
    }

    void expectWholeArrayReleased(const std::string& tasks)
    /// Of which one runs.
    {
        start();
        const std::string job = addHealthyJob();
        const std::string array =
            cluster().submit("sleep 600", {"--array=" + tasks, "--comment=provisioner_job=" + job});
        CPPUNIT_ASSERT(eventually(30s, [&] { return runningTasks().size() == 1; }));
        silence(job);
        waitUntilTerminated(job);
        expectEmptyQueue();
    }

    void releasesAnArrayThatRunsAFewTasksAtATime() { expectWholeArrayReleased("0-3%1"); }

    void releasesAnArrayOfWhichScatteredTasksWait()
    /// More than Slurm names in a line.
    {
        std::string tasks = "1";
        for (int task = 4; task < 200; task += 1 + task % 3)
            tasks += ',' + std::to_string(task);
        expectWholeArrayReleased(tasks);
    }

    void releasesTasksThatStartMeanwhile()
    /// Between Slurm's answer and the release: their names are others then.
    {
        start();
        const std::string before = cluster().startSleeping();
        const std::string job = "11111111-2222-4333-8444-555555555555";
        const std::string array =
            cluster().submit("sleep 600", {"--array=0-1", "--comment=provisioner_job=" + job});
        HeldTerminations held(database());
        database().addJob({.id = job});
        awaitWaitingFor(HeldTerminations::waitEvent);
        cluster().run({"scancel", before});
        awaitRunningTasks({array + "_0"});
        held.end();
        waitUntilTerminated(job);
        expectEmptyQueue();
    }

    void letsTheWorkerEndByItselfFirst()
    /// And no longer than KillWait.
    {
        cluster().configure("KillWait", "10");
        start();
        const std::string job = addHealthyJob();
        const std::filesystem::path listens = cluster().directory() / "run" / "listens";
        const std::filesystem::path told = cluster().directory() / "run" / "told";
        const std::string slurmJob = cluster().submit("trap 'touch " + told.string() + "' TERM\ntouch " +
                                                          listens.string() + "\nwhile :; do sleep 0.1; done",
                                                      {"--comment=provisioner_job=" + job});
        CPPUNIT_ASSERT(eventually(30s, [&] { return std::filesystem::exists(listens); }));
        silence(job);
        waitUntilTerminated(job);
        expectReleased(job, slurmJob);
        CPPUNIT_ASSERT(eventually(30s, [&] { return nodeState() == "idle"; }));
        CPPUNIT_ASSERT(std::filesystem::exists(told));
    }

    void isNotHeldUpByAJobThatNeverRan()
    {
        start();
        const std::string job = addHealthyJob();
        const std::string running = submitMarked(job);
        const std::string held =
            cluster().submit("sleep 600", {"--hold", "--comment=provisioner_job=" + job});
        silence(job);
        waitUntilTerminated(job);
        cluster().waitForState(running, "CANCELLED");
        cluster().waitForState(held, "CANCELLED");
    }

    void waitsForAJobThatIsSuspended()
    {
        // The shortest that there is.
        start("HungJobDuration=60\nHungJobExitTimeout=30\n");
        const std::string job = addHealthyJob();
        const std::string slurmJob = submitMarked(job);
        cluster().run({"scontrol", "suspend", slurmJob});
        silence(job);
        expectSkipped(job);
        const auto resumed = std::chrono::steady_clock::now();
        cluster().run({"scontrol", "resume", slurmJob});
        expectSkipped(job);
        if (!eventually(90s, [&] { return isTerminated(job); }))
            CPPUNIT_FAIL(cluster().log());
        // Slurm's times are whole seconds.
        CPPUNIT_ASSERT(std::chrono::steady_clock::now() - resumed >= 58s);
        cluster().waitForState(slurmJob, "CANCELLED");
    }

    void waitsForAJobThatIsStopped()
    {
        start();
        const std::string job = addHealthyJob();
        const std::string slurmJob = submitMarked(job);
        cluster().run({"scancel", "--signal=STOP", slurmJob});
        silence(job);
        expectSkipped(job);
        cluster().run({"scancel", "--signal=CONT", slurmJob});
        expectSkipped(job);
        database().heartbeat(job);
        cluster().waitForState(slurmJob, "RUNNING");
    }

    void waitsForAJobThatIsRequeued()
    {
        start();
        const std::string job = addHealthyJob();
        const std::string slurmJob = submitMarked(job);
        cluster().run({"scontrol", "requeuehold", slurmJob});
        silence(job);
        expectSkipped(job);
        // At the very end of its first run Slurm sets its start time once more.
        CPPUNIT_ASSERT(eventually(30s, [this] { return nodeState() == "idle"; }));
        cluster().run({"scontrol", "release", slurmJob});
        // Slurm lets a job wait for two minutes before it runs again.
        cluster().run({"scontrol", "update", "job=" + slurmJob, "starttime=now"});
        cluster().waitForState(slurmJob, "RUNNING");
        expectSkipped(job);
        cluster().waitForState(slurmJob, "RUNNING");
    }

    void waitsForANodeThatBoots()
    {
        cluster().setCloudNode();
        startWithoutNode();
        const std::string job = addHealthyJob();
        const std::string slurmJob = cluster().submit("sleep 600", {"--comment=provisioner_job=" + job});
        cluster().waitForState(slurmJob, "CONFIGURING");
        silence(job);
        expectSkipped(job);
        cluster().startNode();
        cluster().waitForState(slurmJob, "RUNNING");
        expectSkipped(job);
        cluster().waitForState(slurmJob, "RUNNING");
    }

    bool isInProlog(const std::string& slurmJob)
    {
        return show(slurmJob).find(" Reason=Prolog ") != std::string::npos;
    }

    void waitsForAPrologThatTakesLong()
    /// Longer than the shortest HungJobDuration, before the second run of a job that was requeued.
    {
        const std::filesystem::path mayRun = cluster().directory() / "run/may-run";
        const std::filesystem::path prolog = cluster().directory() / "prolog";
        std::ofstream(prolog) << "#!/bin/sh\ncd " << cluster().directory().string() << "\nwhile [ ! -e "
                              << mayRun.string() << " ]; do sleep 0.1; done\n";
        std::filesystem::permissions(prolog, std::filesystem::perms(0755));
        std::ofstream(mayRun).close();
        cluster().configure("Prolog", prolog);
        cluster().configure("PrologFlags", "Alloc");
        start("HungJobDuration=60\nHungJobExitTimeout=30\n");
        const std::string job = addHealthyJob();
        const std::string slurmJob = submitMarked(job);

        std::filesystem::remove(mayRun);
        cluster().run({"scontrol", "requeue", slurmJob});
        CPPUNIT_ASSERT(eventually(30s, [this] { return nodeState() == "idle"; }));
        // Slurm lets a job wait for two minutes before it runs again.
        cluster().run({"scontrol", "update", "job=" + slurmJob, "starttime=now"});
        CPPUNIT_ASSERT(eventually(30s, [&] { return isInProlog(slurmJob); }));
        const auto allocated = std::chrono::steady_clock::now();
        silence(job);
        while (std::chrono::steady_clock::now() - allocated < 70s)
            expectSkipped(job);
        CPPUNIT_ASSERT(isInProlog(slurmJob));

        std::ofstream(mayRun).close();
        CPPUNIT_ASSERT(eventually(30s, [&] { return !isInProlog(slurmJob); }));
        expectSkipped(job);
        cluster().waitForState(slurmJob, "RUNNING");
    }

    void terminatesAJobWhoseAllocationHasEnded()
    {
        start();
        const std::string job = addHealthyJob();
        const std::string slurmJob = submitMarked(job);
        cluster().run({"scancel", slurmJob});
        cluster().waitForState(slurmJob, "CANCELLED");
        silence(job);
        waitUntilTerminated(job);
        cluster().waitForLog("run finished", 15s, cluster().countInLog("run finished") + 2);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, cluster().countInLog("allocation"));
    }

    void releasesWhatWasTerminatedWhileSlurmctldWasAway()
    {
        start();
        const std::string job = addHealthyJob();
        const std::string slurmJob = submitMarked(job);
        // slurmctld saves its jobs some seconds later.
        const std::string saved = cluster().directory() / "state/job_state";
        CPPUNIT_ASSERT(eventually(30s, [&] {
            return Sim::runCommand({"grep", "--quiet", job, saved}).exitStatus == 0;
        }));
        cluster().killController();
        database().execute("UPDATE provisioner_jobs SET completed_at = now(), updated_at = now(), error = '" +
                           std::string(reason) + "'");
        cluster().startController();
        expectReleased(job, slurmJob);
    }

    void terminatesWhileSlurmDoesNotAnswer()
    /// The detector of a standby controller, when the active one is gone: Slurm's own patience is three
    /// minutes.
    {
        const std::string text = settings() + "ReleaseAllocations=yes\n";
        cluster().configure("SlurmctldDebug", "debug");
        cluster().writeSettings(text);
        cluster().addStandby(text);
        cluster().startController();
        cluster().startStandby();
        cluster().startNode();
        const std::string suspended = addHealthyJob();
        cluster().run({"scontrol", "suspend", submitMarked(suspended)});
        silence(suspended);
        CPPUNIT_ASSERT(eventually(20s, [&] { return count(cluster().standbyLog(), "cause=suspended") > 2; }));

        cluster().killController();
        const std::string other = database().addJob();
        if (!eventually(60s, [&] { return isTerminated(other); }))
            CPPUNIT_FAIL(cluster().standbyLog());
        CPPUNIT_ASSERT(!isTerminated(suspended));
        CPPUNIT_ASSERT(eventually(
            20s, [&] { return count(cluster().standbyLog(), "allocations unknown error=") == 1; }));
    }

    void keepsWhatTheAdministratorWrote()
    {
        start();
        const std::string job = addHealthyJob();
        const std::string slurmJob = submitMarked(job);
        cluster().run({"scontrol", "update", "job=" + slurmJob, "admincomment=ticket 42"});
        silence(job);
        waitUntilTerminated(job);
        cluster().waitForState(slurmJob, "CANCELLED");
        CPPUNIT_ASSERT_MESSAGE(show(slurmJob), show(slurmJob).find("AdminComment=ticket 42; " +
                                                                   std::string(reason)) != std::string::npos);
    }

    void expectRefused(const Sim::CommandLine& command, const std::string& text)
    {
        try {
            cluster().run(command);
        } catch (const std::runtime_error& error) {
            CPPUNIT_ASSERT_MESSAGE(error.what(), std::string(error.what()).find(text) != std::string::npos);
            return;
        }
        CPPUNIT_FAIL("not refused: " + text);
    }

    void refusesAMarkThatIsNoUuid()
    {
        start();
        expectRefused({"sbatch", "--comment=provisioner_job=junk", "--wrap=true"},
                      "provisioner_job=junk is not the id of a provisioner job; allowed in the comment: "
                      "provisioner_job=UUID with the id of one provisioner job");
        CPPUNIT_ASSERT_EQUAL(std::string(), cluster().run({"squeue", "--noheader"}));
        cluster().submit("true", {"--comment=my job"});
    }

    void refusesToChangeAMarkIntoJunk()
    {
        start();
        const std::string slurmJob = submitMarked(addHealthyJob());
        expectRefused({"scontrol", "update", "job=" + slurmJob, "comment=provisioner_job=junk"},
                      changeHasMessage ? "provisioner_job=junk is not the id of a provisioner job"
                                       : "Invalid argument");
        CPPUNIT_ASSERT(show(slurmJob).find("junk") == std::string::npos);
    }

    void startBehindLua(const std::string& script)
    /// The script is called for a job that is submitted or changed, before the detector is.
    {
        std::ofstream(cluster().directory() / "job_submit.lua")
            << "function slurm_job_submit(job, partitions, user) " << script
            << " return slurm.SUCCESS end\n"
               "function slurm_job_modify(job, record, partitions, user) "
            << script << " return slurm.SUCCESS end\n";
        cluster().configure("JobSubmitPlugins", "lua,hang_detector");
        start();
    }

    void addsItsReasonToWhatLuaSays()
    {
        startBehindLua("if job.comment then slurm.log_user('read the wiki') end");
        expectRefused({"sbatch", "--comment=provisioner_job=junk", "--wrap=true"},
                      "error: read the wiki\nsbatch: error: provisioner_job=junk is not the id of a "
                      "provisioner job");
        const std::string slurmJob = cluster().submit("sleep 600");
        const Sim::CommandLine change{"scontrol", "update", "job=" + slurmJob,
                                      "comment=provisioner_job=junk"};
        if (!changeHasMessage)
            return expectRefused(change, "Invalid argument");
        expectRefused(change, "read the wiki");
        expectRefused(change, "provisioner_job=junk is not the id of a provisioner job");
    }

    void checksAMarkThatLuaWrites()
    {
        startBehindLua("if job.name then job.comment = 'provisioner_job=' .. job.name end");
        expectRefused({"sbatch", "--job-name=junk", "--wrap=true"},
                      "provisioner_job=junk is not the id of a provisioner job");
        const std::string job = addHealthyJob();
        const std::string slurmJob = cluster().startSleeping({"--job-name=" + job});
        silence(job);
        waitUntilTerminated(job);
        expectReleased(job, slurmJob);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AllocationTest);

} // namespace HangDetection::Test
