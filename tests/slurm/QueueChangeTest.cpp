// A real Slurm whose queue changes between the question for marked jobs and their release, or that
// refuses.

#include "SlurmFixture.h"

#include <Poco/String.h>

#include <csignal>
#include <regex>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class QueueChangeTest : public SlurmFixture
{
    TEST_SUITE(QueueChangeTest);

public:
    void setUp() override
    {
        SlurmFixture::setUp();
        cluster().setProcessors(3);
        cluster().startController();
        cluster().startNode();
    }

private:
    using Clock = std::chrono::steady_clock;

    static constexpr const char* reason = "silent for 5 minutes";
    static constexpr const char* mark = "comment=provisioner_job=11111111-2222-4333-8444-555555555555";
    static constexpr const char* otherMark = "comment=provisioner_job=22222222-2222-4333-8444-555555555555";

    std::string startMarked() { return cluster().startSleeping({std::string("--") + mark}); }

    void expectAnswer(const std::string& expected)
    {
        CPPUNIT_ASSERT_EQUAL(expected, cluster().run({RELEASE_BY_HAND}));
    }

    std::string release(const Sim::CommandLine& meanwhile = {})
    {
        Sim::CommandLine command{RELEASE_BY_HAND, reason};
        command.insert(command.end(), meanwhile.begin(), meanwhile.end());
        return cluster().run(command);
    }

    void expectAdminComment(const std::string& expected, const std::string& slurmJob)
    {
        const std::string shown = cluster().show(slurmJob);
        std::smatch found;
        std::regex_search(shown, found, std::regex("AdminComment=(.*)"));
        CPPUNIT_ASSERT_EQUAL(expected, Poco::trim(found.str(1)));
    }

    TEST(releasesWhatStaysAsItWas)
    /// Slurm shows it for some minutes.
    {
        const std::string slurmJob = startMarked();
        CPPUNIT_ASSERT_EQUAL(slurmJob + "\nreleased\n", release());
        cluster().waitForState(slurmJob, "CANCELLED");
        expectAnswer(slurmJob + " ended\n");
        expectAdminComment(reason, slurmJob);
    }

    void expectResumed(const std::string& slurmJob, Clock::time_point since)
    /// Slurm's times are whole seconds.
    {
        const std::string answer = cluster().run({RELEASE_BY_HAND});
        const std::string expected = slurmJob + " resumed ";
        CPPUNIT_ASSERT_MESSAGE(answer, answer.starts_with(expected));
        const std::chrono::seconds ago(std::stol(answer.substr(expected.size())));
        CPPUNIT_ASSERT_MESSAGE(answer, ago < Clock::now() - since + 2s);
    }

    TEST(knowsAPausedJobFromOneThatRunsAgain)
    {
        const std::string slurmJob = startMarked();
        expectAnswer(slurmJob + '\n');
        std::this_thread::sleep_for(3s);
        cluster().run({"scontrol", "suspend", slurmJob});
        expectAnswer(slurmJob + " suspended\n");
        const auto resumed = Clock::now();
        cluster().run({"scontrol", "resume", slurmJob});
        expectResumed(slurmJob, resumed);
        cluster().run({"scancel", "--signal=STOP", slurmJob});
        await("a stopped job", [&] { return cluster().run({RELEASE_BY_HAND}) == slurmJob + " suspended\n"; });
    }

    TEST(knowsSinceWhenARequeuedJobRunsAgain)
    {
        const std::string slurmJob = startMarked();
        cluster().run({"scontrol", "requeue", slurmJob});
        expectAnswer(slurmJob + " suspended\n");
        // squeue shows flags that scontrol leaves out.
        await("a pending job", [&] {
            return Poco::trim(cluster().run({"squeue", "--noheader", "--states=all", "--format=%T",
                                             "--job=" + slurmJob})) == "PENDING";
        });
        const auto requeued = Clock::now();
        // Otherwise Slurm lets it wait for two minutes. In the same second, slurmd would take it for the job
        // that was just ended.
        cluster().run({"scontrol", "update", "job=" + slurmJob, "starttime=now+1"});
        cluster().waitForState(slurmJob, "RUNNING");
        expectResumed(slurmJob, requeued);
    }

    TEST(leavesAJobThatHasAnotherMarkByNow)
    {
        const std::string slurmJob = startMarked();
        CPPUNIT_ASSERT_EQUAL(slurmJob + "\ngone\n",
                             release({"scontrol", "update", "job=" + slurmJob, otherMark}));
        cluster().waitForState(slurmJob, "RUNNING");
        expectAdminComment("", slurmJob);
    }

    TEST(leavesTheTaskOfAnArrayThatHasEndedByNow)
    /// The others carry the same mark, and are not meant.
    {
        const std::string array = cluster().submit("sleep 600", {"--array=0-1", std::string("--") + mark});
        for (const char* const task : {"_0", "_1"})
            cluster().waitForState(array + task, "RUNNING");
        const std::string found = cluster().run({RELEASE_BY_HAND});
        const std::string first = found.substr(0, found.find('\n'));
        const std::string second = array + (first == array + "_0" ? "_1" : "_0");
        CPPUNIT_ASSERT_EQUAL(found + "gone\n", release({"scancel", first}));
        cluster().waitForState(second, "RUNNING");
    }

    TEST(writesTheReasonOnce)
    /// As after a release that came no further.
    {
        const std::string slurmJob = startMarked();
        cluster().run({"scontrol", "update", "job=" + slurmJob, std::string("admincomment=") + reason});
        CPPUNIT_ASSERT_EQUAL(slurmJob + "\nreleased\n", release());
        expectAdminComment(reason, slurmJob);
    }

    TEST(saysThatSlurmRefuses)
    /// A user who may not cancel the job of another.
    {
        const std::string slurmJob = startMarked();
        CPPUNIT_ASSERT_EQUAL(
            slurmJob + "\nAccess/permission denied\n",
            cluster().run({"setpriv", "--reuid=nobody", "--clear-groups", RELEASE_BY_HAND, reason}));
        cluster().waitForState(slurmJob, "RUNNING");
    }

    TEST(stopsWhileSlurmIsSilent)
    {
        cluster().configure("MessageTimeout", "90");
        kill(cluster().controller(), SIGSTOP);
        const auto start = Clock::now();
        const std::string answer =
            cluster().run({"timeout", "--preserve-status", "5", RELEASE_BY_HAND, reason});
        kill(cluster().controller(), SIGCONT);
        CPPUNIT_ASSERT_MESSAGE(answer, answer.starts_with("no answer"));
        CPPUNIT_ASSERT(Clock::now() - start < 60s);
    }

    TEST(cancelsNothingAfterItHasGivenUp)
    /// Slurm is silent from the question to some seconds after the stop.
    {
        cluster().configure("MessageTimeout", "90");
        const std::string slurmJob = startMarked();
        const std::string controller = std::to_string(cluster().controller());
        const std::string answer =
            cluster().run({"timeout", "--preserve-status", "3", RELEASE_BY_HAND, reason, "sh", "-c",
                           "kill -STOP " + controller + "; setsid sh -c 'sleep 6; kill -CONT " + controller +
                               "' >/dev/null 2>&1 </dev/null &"});
        CPPUNIT_ASSERT_MESSAGE(answer, answer.starts_with(slurmJob + "\nno answer"));
        const std::string shown = cluster().show(slurmJob);
        CPPUNIT_ASSERT_MESSAGE(shown, shown.find("JobState=RUNNING") != std::string::npos);
    }
};

} // namespace HangDetection::Test
