// Allocations of a real Slurm: marked, suspended, requeued, given back.

#include "ContractTexts.h"
#include "SlurmFixture.h"
#include "TerminationFaults.h"
#include "slurm/SlurmRelease.h"

#include <Poco/StringTokenizer.h>

#include <fstream>
#include <regex>
#include <set>
#include <stdexcept>
#include <utility>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class AllocationTest : public SlurmFixture
{
    TEST_SUITE(AllocationTest);

    const std::string reason = Sim::ContractTexts().error();

    static constexpr const char* anyId = "11111111-2222-4333-8444-555555555555";

    void start()
    /// With a job that is healthy at first.
    {
        startWithoutNode();
        cluster().startNode();
        _job = addHealthyJob();
    }

    void startWithoutNode()
    {
        cluster().configure("SlurmctldDebug", "debug");
        cluster().writeSettings(settings() + "ReleaseAllocations=yes\n");
        cluster().startController();
        // It asks Slurm once at the start, and would remember a job that was seen waiting.
        cluster().waitForLog("run finished");
    }

    void startMarked()
    /// With a Slurm job that has the mark of the job.
    {
        start();
        _slurmJob = startSleepingFor(_job);
    }

    std::string addHealthyJob() { return database().addJob({.updatedAgo = "1 second"}); }

    void silence(const std::string& job)
    /// As of six minutes ago.
    {
        database().execute(
            "UPDATE provisioner_jobs SET updated_at = now() - interval '6 minutes' WHERE id = '" + job + "'");
    }

    void hang()
    /// Returns when the job is terminated.
    {
        silence(_job);
        waitUntilTerminated(_job);
    }

    static std::string commentFor(const std::string& job) { return "--comment=provisioner_job=" + job; }

    std::string startSleepingFor(const std::string& job)
    {
        return cluster().startSleeping({"--comment=team=a provisioner_job=" + job});
    }

    void awaitRuns(std::size_t more) { cluster().waitForMore("run finished", more, 30s); }

    void awaitIdleNode()
    {
        await("an idle node", [this] { return cluster().nodeState() == "idle"; });
    }

    void expectReleased(const std::string& slurmJob, const std::string& adminComment)
    {
        cluster().waitForLog("job_submit/hang_detector: allocation released job_id=" + _job +
                             " slurm_job=" + slurmJob);
        cluster().waitForState(slurmJob, "CANCELLED");
        assertContains("AdminComment=" + adminComment, cluster().show(slurmJob));
    }

    void expectReleased() { expectReleased(_slurmJob, reason); }

    void expectSkipped()
    /// In two more runs.
    {
        cluster().waitForMore("job_submit/hang_detector: job skipped job_id=" + _job + " cause=suspended", 2);
        CPPUNIT_ASSERT(!isCompleted(_job));
    }

    TEST(releasesEachJobWithTheSameMark)
    /// And keeps what the administrator wrote. One that never ran holds nothing up.
    {
        cluster().setProcessors(3);
        startMarked();
        const std::string second = startSleepingFor(_job);
        cluster().run({"scontrol", "update", "job=" + second, "admincomment=ticket 42"});
        const std::string held = cluster().submit("sleep 600", {"--hold", commentFor(_job)});
        const std::string other = startSleepingFor(addHealthyJob());
        hang();
        expectReleased();
        expectReleased(second, "ticket 42; " + reason);
        cluster().waitForState(held, "CANCELLED");
        cluster().waitForState(other, "RUNNING");
    }

    std::string submitArray(const std::string& tasks)
    {
        return cluster().submit("sleep 600", {"--array=" + tasks, commentFor(_job)});
    }

    std::set<std::string> runningTasks()
    {
        const Poco::StringTokenizer tasks(
            cluster().run({"squeue", "--noheader", "--states=RUNNING", "--format=%F_%K"}), "\n",
            Poco::StringTokenizer::TOK_IGNORE_EMPTY | Poco::StringTokenizer::TOK_TRIM);
        return {tasks.begin(), tasks.end()};
    }

    void awaitRunningTasks(const std::set<std::string>& tasks)
    {
        await("running tasks", [&] { return runningTasks() == tasks; });
    }

    void awaitEmptyQueue()
    {
        await("an empty queue", [this] { return cluster().run({"squeue", "--noheader"}).empty(); });
    }

    TEST(releasesOneTaskOfAnArray)
    /// Whichever: the number of the last one is that of the array, and the others' mean nothing to scancel.
    {
        cluster().setProcessors(3);
        start();
        const std::string array = cluster().submit("sleep 600", {"--array=0-2"});
        std::set<std::string> left{array + "_0", array + "_1", array + "_2"};
        awaitRunningTasks(left);
        while (left.size() > 1) {
            const std::string task = *left.rbegin();
            left.erase(task);
            _job = addHealthyJob();
            cluster().run({"scontrol", "update", "job=" + task, "comment=provisioner_job=" + _job});
            hang();
            cluster().waitForLog("allocation released job_id=" + _job + " slurm_job=" + task);
            awaitRunningTasks(left);
        }
    }

    TEST(releasesAnArrayOfWhichSomeTasksWait)
    /// For a processor, or for others of the array, or more of them than Slurm names in a line.
    {
        std::string scattered = "1";
        for (int task = 4; task < 200; task += 1 + task % 3)
            scattered += ',' + std::to_string(task);
        cluster().setProcessors(2);
        start();
        for (const auto& [tasks, running] :
             {std::pair<std::string, std::size_t>("0-3", 2), {"0-3%1", 1}, {scattered, 2}}) {
            _job = addHealthyJob();
            const std::string array = submitArray(tasks);
            await(tasks, [&, expected = running] { return runningTasks().size() == expected; });
            hang();
            awaitEmptyQueue();
            if (tasks == "0-3") {
                // In the place of a task that runs another would have started.
                const std::string log = cluster().log();
                CPPUNIT_ASSERT_MESSAGE(log, log.find("slurm_job=" + array + "_[2-3]") <
                                                log.find("slurm_job=" + array + "_0"));
            }
        }
    }

    TEST(releasesTasksThatStartMeanwhile)
    /// Between Slurm's answer and the release: their names are others then.
    {
        start();
        const std::string before = cluster().startSleeping();
        _job = anyId;
        const std::string array = submitArray("0-1");
        holdTerminations(database());
        database().addJob({.id = _job});
        awaitWaitingFor("PgSleep");
        cluster().run({"scancel", before});
        awaitRunningTasks({array + "_0"});
        holdTerminationsNoMore(database());
        waitUntilTerminated(_job);
        awaitEmptyQueue();
    }

    TEST(letsTheWorkerEndByItselfFirst)
    /// And no longer than KillWait.
    {
        cluster().configure("KillWait", "10");
        start();
        const std::filesystem::path listens = cluster().directory() / "run" / "listens";
        const std::filesystem::path ended = cluster().directory() / "run" / "ended";
        _slurmJob = cluster().submit("trap 'touch " + ended.string() + "' TERM\ntouch " + listens.string() +
                                         "\nwhile :; do sleep 0.1; done",
                                     {commentFor(_job)});
        await("the script", [&] { return std::filesystem::exists(listens); });
        hang();
        expectReleased();
        awaitIdleNode();
        CPPUNIT_ASSERT(std::filesystem::exists(ended));
    }

    TEST(waitsForANodeThatBoots)
    {
        cluster().setCloudNode();
        startWithoutNode();
        _job = addHealthyJob();
        _slurmJob = cluster().submit("sleep 600", {commentFor(_job)});
        cluster().waitForState(_slurmJob, "CONFIGURING");
        silence(_job);
        expectSkipped();
        cluster().startNode();
        cluster().waitForState(_slurmJob, "RUNNING");
        expectSkipped();
    }

    TEST(waitsForAProlog)
    {
        const std::filesystem::path mayRun = cluster().directory() / "run/may-run";
        const std::filesystem::path prolog = cluster().directory() / "prolog";
        std::ofstream(prolog) << "#!/bin/sh\ncd " << cluster().directory().string() << "\nwhile [ ! -e "
                              << mayRun.string() << " ]; do sleep 0.1; done\n";
        std::filesystem::permissions(prolog, std::filesystem::perms(0755));
        cluster().configure("Prolog", prolog);
        cluster().configure("PrologFlags", "Alloc");
        start();
        _slurmJob = cluster().submit("sleep 600", {commentFor(_job)});
        const auto isInProlog = [this] { return contains(" Reason=Prolog ", cluster().show(_slurmJob)); };
        await("the prolog", isInProlog);
        silence(_job);
        expectSkipped();
        CPPUNIT_ASSERT(isInProlog());

        std::ofstream(mayRun).close();
        await("the end of the prolog", [&] { return !isInProlog(); });
        expectSkipped();
        cluster().waitForState(_slurmJob, "RUNNING");
    }

    TEST(releasesWhatWasTerminatedElsewhere)
    /// While slurmctld was away.
    {
        startMarked();
        // slurmctld saves its jobs some seconds later.
        const std::string saved = cluster().directory() / "state/job_state";
        await("a saved state", [&] {
            return Sim::runCommand({"grep", "--quiet", _job, saved}).exitStatus == 0;
        });
        cluster().killController();
        database().execute("UPDATE provisioner_jobs SET completed_at = now(), updated_at = now(), error = '" +
                           reason + "'");
        cluster().startController();
        expectReleased();
    }

    int questions()
    /// That the controller was asked for all its jobs. None of the test's commands does that.
    {
        const std::string statistics = cluster().run({"sdiag"});
        std::smatch count;
        const std::regex line("REQUEST_JOB_INFO .*count: *([0-9]+)");
        return std::regex_search(statistics, count, line) ? std::stoi(count.str(1)) : 0;
    }

    TEST(asksSlurmAsLongAsItListsMarks)
    /// A Slurm job that has ended may be requeued.
    {
        start();
        awaitRuns(3);
        CPPUNIT_ASSERT_EQUAL(1, questions());
        cluster().run({"scancel", startSleepingFor(_job)});
        const int asked = questions();
        awaitRuns(4);
        CPPUNIT_ASSERT(questions() >= asked + 3);
    }

    TEST(terminatesWhileSlurmDoesNotAnswer)
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
        cluster().run({"scontrol", "suspend", startSleepingFor(suspended)});
        silence(suspended);
        const auto awaitInStandby = [this](const std::string& line, std::size_t times) {
            await(line, [&] { return count(cluster().standbyLog(), line) >= times; });
        };
        awaitInStandby("cause=suspended", 3);

        cluster().killController();
        const std::string other = database().addJob();
        if (!eventually(60s, [&] { return isCompleted(other); }))
            CPPUNIT_FAIL(cluster().standbyLog());
        CPPUNIT_ASSERT(!isCompleted(suspended));
        awaitInStandby("allocations unknown error=", 1);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(cluster().standbyLog(), "allocations unknown error="));
    }

    void expectRefused(const Sim::CommandLine& command, const std::string& text)
    {
        try {
            cluster().run(command);
        } catch (const std::runtime_error& error) {
            return assertContains(text, error.what());
        }
        CPPUNIT_FAIL("not refused: " + text);
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

    TEST(addsItsReasonToWhatLuaSays)
    /// When a job is submitted, and when it is changed.
    {
        startBehindLua("if job.comment then slurm.log_user('read the wiki') end");
        expectRefused({"sbatch", commentFor("junk"), "--wrap=true"},
                      "error: read the wiki\nsbatch: error: " + junk +
                          "; allowed in the comment is one of provisioner_job=UUID");
        _slurmJob = cluster().submit("sleep 600");
        const Sim::CommandLine change{"scontrol", "update", "job=" + _slurmJob,
                                      "comment=provisioner_job=junk"};
        expectRefused(change, changeHasMessage ? "read the wiki" : "Invalid argument");
        if (changeHasMessage)
            expectRefused(change, junk);
        assertLacks("junk", cluster().show(_slurmJob));
    }

    TEST(checksAMarkThatLuaWrites)
    {
        startBehindLua("if job.name then job.comment = 'provisioner_job=' .. job.name end");
        expectRefused({"sbatch", "--job-name=junk", "--wrap=true"}, junk);
        _slurmJob = cluster().startSleeping({"--job-name=" + _job});
        hang();
        expectReleased();
    }

    TEST(sparesAJobWhoseMarkChangesAtTheLastMoment)
    /// Between the first check of the mark and the cancel.
    {
        startBehindLua("if job.admin_comment then job.comment = 'mine now' end");
        _slurmJob = startSleepingFor(_job);
        hang();
        await("another mark", [this] { return contains("Comment=mine now", cluster().show(_slurmJob)); });
        awaitRuns(2);
        cluster().waitForState(_slurmJob, "RUNNING");
        assertLacks(reason, cluster().show(_slurmJob));
    }

    const std::string junk = "provisioner_job=junk is not the id of a provisioner job";

    std::string _job;
    std::string _slurmJob;
};

} // namespace HangDetection::Test
