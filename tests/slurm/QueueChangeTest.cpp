// A real Slurm whose queue changes between the question for marked jobs and their release, or that
// refuses.

#include "Eventually.h"
#include "SlurmFixture.h"

#include <Poco/String.h>
#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class QueueChangeTest : public SlurmFixture
{
    CPPUNIT_TEST_SUITE(QueueChangeTest);
    CPPUNIT_TEST(releasesWhatStaysAsItWas);
    CPPUNIT_TEST(tellsOfAJobThatHasEnded);
    CPPUNIT_TEST(tellsASuspendedJobFromOneThatRunsAgain);
    CPPUNIT_TEST(tellsSinceWhenARequeuedJobRunsAgain);
    CPPUNIT_TEST(leavesAJobThatHasAnotherMarkByNow);
    CPPUNIT_TEST(leavesAJobThatHasEndedByNow);
    CPPUNIT_TEST(leavesTheTaskOfAnArrayThatHasEndedByNow);
    CPPUNIT_TEST(writesTheReasonOnce);
    CPPUNIT_TEST(tellsThatSlurmRefuses);
    CPPUNIT_TEST(stopsWhileSlurmIsSilent);
    CPPUNIT_TEST_SUITE_END();

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

    static std::string mark(const std::string& job) { return "provisioner_job=" + job; }

    std::string submitMarked() { return cluster().startSleeping({"--comment=" + mark(_job)}); }

    std::string asked() { return cluster().run({RELEASE_BY_HAND}); }
    /// What it answers.

    void awaitState(const std::string& slurmJob, const std::string& state)
    /// That squeue shows, with flags that scontrol leaves out.
    {
        std::string shown;
        const bool hasCome = eventually(20s, [&] {
            shown = Poco::trim(
                cluster().run({"squeue", "--noheader", "--states=all", "--format=%T", "--job=" + slurmJob}));
            return shown == state;
        });
        CPPUNIT_ASSERT_MESSAGE(shown, hasCome);
    }

    std::string release(const Sim::CommandLine& meanwhile = {})
    {
        Sim::CommandLine command{RELEASE_BY_HAND, reason};
        command.insert(command.end(), meanwhile.begin(), meanwhile.end());
        return cluster().run(command);
    }

    std::string adminComment(const std::string& slurmJob)
    {
        const std::string text = cluster().run({"scontrol", "show", "job", slurmJob});
        const std::string key = "AdminComment=";
        const auto start = text.find(key);
        if (start == std::string::npos)
            return "";
        return Poco::trim(text.substr(start + key.size(), text.find('\n', start) - start - key.size()));
    }

    void releasesWhatStaysAsItWas()
    {
        const std::string slurmJob = submitMarked();
        CPPUNIT_ASSERT_EQUAL(slurmJob + "\nreleased\n", release());
        cluster().waitForState(slurmJob, "CANCELLED");
        CPPUNIT_ASSERT_EQUAL(std::string(reason), adminComment(slurmJob));
    }

    void tellsOfAJobThatHasEnded()
    /// Slurm shows it for some minutes.
    {
        const std::string slurmJob = submitMarked();
        cluster().run({"scancel", slurmJob});
        CPPUNIT_ASSERT_EQUAL(slurmJob + " ended\n", asked());
    }

    void expectResumed(const std::string& slurmJob, Clock::time_point since)
    /// Slurm's times are whole seconds.
    {
        const std::string answer = asked();
        const std::string expected = slurmJob + " resumed ";
        CPPUNIT_ASSERT_MESSAGE(answer, answer.starts_with(expected));
        const std::chrono::seconds ago(std::stol(answer.substr(expected.size())));
        CPPUNIT_ASSERT_MESSAGE(answer, ago < Clock::now() - since + 2s);
    }

    void tellsASuspendedJobFromOneThatRunsAgain()
    {
        const std::string slurmJob = submitMarked();
        CPPUNIT_ASSERT_EQUAL(slurmJob + '\n', asked());
        std::this_thread::sleep_for(3s);
        cluster().run({"scontrol", "suspend", slurmJob});
        CPPUNIT_ASSERT_EQUAL(slurmJob + " paused\n", asked());
        const auto resumed = Clock::now();
        cluster().run({"scontrol", "resume", slurmJob});
        expectResumed(slurmJob, resumed);
    }

    void tellsSinceWhenARequeuedJobRunsAgain()
    {
        const std::string slurmJob = submitMarked();
        cluster().run({"scontrol", "requeue", slurmJob});
        CPPUNIT_ASSERT_EQUAL(slurmJob + " paused\n", asked());
        awaitState(slurmJob, "PENDING");
        const auto requeued = Clock::now();
        // Slurm would let it wait for two minutes.
        cluster().run({"scontrol", "update", "job=" + slurmJob, "starttime=now"});
        cluster().waitForState(slurmJob, "RUNNING");
        expectResumed(slurmJob, requeued);
    }

    void leavesAJobThatHasAnotherMarkByNow()
    {
        const std::string slurmJob = submitMarked();
        const std::string other = "22222222-2222-4333-8444-555555555555";
        CPPUNIT_ASSERT_EQUAL(slurmJob + "\ngone\n",
                             release({"scontrol", "update", "job=" + slurmJob, "comment=" + mark(other)}));
        cluster().waitForState(slurmJob, "RUNNING");
        CPPUNIT_ASSERT_EQUAL(std::string(), adminComment(slurmJob));
    }

    void leavesAJobThatHasEndedByNow()
    {
        const std::string slurmJob = submitMarked();
        CPPUNIT_ASSERT_EQUAL(slurmJob + "\ngone\n", release({"scancel", slurmJob}));
        CPPUNIT_ASSERT_EQUAL(std::string(), adminComment(slurmJob));
    }

    void leavesTheTaskOfAnArrayThatHasEndedByNow()
    /// The others carry the same mark, and are not meant.
    {
        const std::string array = cluster().submit("sleep 600", {"--array=0-1", "--comment=" + mark(_job)});
        for (const char* const task : {"_0", "_1"})
            cluster().waitForState(array + task, "RUNNING");
        const std::string found = asked();
        const std::string first = found.substr(0, found.find('\n'));
        const std::string second = array + (first == array + "_0" ? "_1" : "_0");
        CPPUNIT_ASSERT_EQUAL(found + "gone\n", release({"scancel", first}));
        cluster().waitForState(second, "RUNNING");
    }

    void writesTheReasonOnce()
    /// As after a release that came no further.
    {
        const std::string slurmJob = submitMarked();
        cluster().run({"scontrol", "update", "job=" + slurmJob, std::string("admincomment=") + reason});
        CPPUNIT_ASSERT_EQUAL(slurmJob + "\nreleased\n", release());
        CPPUNIT_ASSERT_EQUAL(std::string(reason), adminComment(slurmJob));
    }

    void tellsThatSlurmRefuses()
    /// A user who may not cancel the job of another.
    {
        const std::string slurmJob = submitMarked();
        CPPUNIT_ASSERT_EQUAL(
            slurmJob + "\nAccess/permission denied\n",
            cluster().run({"setpriv", "--reuid=nobody", "--clear-groups", RELEASE_BY_HAND, reason}));
        cluster().waitForState(slurmJob, "RUNNING");
    }

    void stopsWhileSlurmIsSilent()
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

    const std::string _job = "11111111-2222-4333-8444-555555555555";
};

CPPUNIT_TEST_SUITE_REGISTRATION(QueueChangeTest);

} // namespace HangDetection::Test
