// Allocations of jobs that Coder's own detector terminated, while nothing is hung here.

#include "ContractTexts.h"
#include "SlurmFixture.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <string>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class BesideCoderInSlurmTest : public SlurmFixture
{
    CPPUNIT_TEST_SUITE(BesideCoderInSlurmTest);
    CPPUNIT_TEST(releasesWhatTheReaperTerminated);
    CPPUNIT_TEST(asksSlurmOnlyWhileThereMayBeMarks);
    CPPUNIT_TEST_SUITE_END();

    void start()
    {
        cluster().configure("SlurmctldDebug", "debug");
        cluster().writeSettings(settings() + "ReleaseAllocations=yes\n");
        cluster().startController();
        awaitRuns(3);
        cluster().startNode();
    }

    void awaitRuns(std::size_t more)
    {
        cluster().waitForLog("run finished", 30s, cluster().countInLog("run finished") + more);
    }

    int questions()
    /// That the controller was asked for all its jobs. None of the test's commands does that.
    {
        const std::string statistics = cluster().run({"sdiag"});
        const std::string request = "REQUEST_JOB_INFO ";
        const auto line = statistics.find(request);
        const auto count = line == std::string::npos ? line : statistics.find("count:", line);
        return count == std::string::npos ? 0 : std::stoi(statistics.substr(count + 6));
    }

    std::string submit(const std::string& job)
    {
        return cluster().submit("sleep 600", {"--comment=provisioner_job=" + job});
    }

    void releasesWhatTheReaperTerminated()
    {
        start();
        const std::string job = database().addJob({.updatedAgo = "1 second"});
        const std::string slurmJob = submit(job);
        cluster().waitForState(slurmJob, "RUNNING");
        const std::string error = Sim::ContractTexts{.detector = "the reaper"}.error();
        database().execute("UPDATE provisioner_jobs SET completed_at = now(), updated_at = now(), error = '" +
                           error + "'");
        cluster().waitForState(slurmJob, "CANCELLED");
        cluster().waitForLog("allocation released job_id=" + job + " slurm_job=" + slurmJob);
        const std::string shown = cluster().run({"scontrol", "show", "job", slurmJob});
        CPPUNIT_ASSERT_MESSAGE(shown, shown.find("AdminComment=" + error) != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, cluster().countInLog("job terminated"));
    }

    void asksSlurmOnlyWhileThereMayBeMarks()
    {
        start();
        CPPUNIT_ASSERT_EQUAL(1, questions());
        cluster().submit("sleep 600");
        // A controller that stood by until then does not know the marks of before.
        awaitRuns(4);
        const int before = questions();
        CPPUNIT_ASSERT(before <= 3);
        awaitRuns(3);
        CPPUNIT_ASSERT_EQUAL(before, questions());
        const std::string marked = submit("11111111-2222-4333-8444-555555555555");
        awaitRuns(4);
        CPPUNIT_ASSERT(questions() >= before + 3);
        // One that has ended may be requeued for as long as Slurm lists it.
        cluster().run({"scancel", marked});
        const int asked = questions();
        awaitRuns(4);
        CPPUNIT_ASSERT(questions() >= asked + 3);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BesideCoderInSlurmTest);

} // namespace HangDetection::Test
