#include "Figure.h"
#include "OpenTransaction.h"
#include "ServiceFixture.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class PunctualRunsTest : public ServiceFixture
/// A run comes when a job can be hung, and not more often than that.
{
    TEST_SUITE(PunctualRunsTest);

    TEST(terminatesAJobWhenItIsHung)
    {
        // One after the other, and none at a moment when a run would come anyway.
        std::vector<std::string> jobs;
        for (const char* const silent : {"58 seconds", "56.3 seconds", "54.9 seconds"})
            jobs.push_back(database().addJob({.updatedAgo = silent}));
        database().addJob({.updatedAgo = "1 second"}); // whose turn would be in a minute
        start("Interval=1h\nHungJobDuration=1m\nHungJobExitTimeout=30\n");
        for (const std::string& job : jobs) {
            awaitTerminated(job);
            const auto line =
                "job terminated job_id=" + job + " reason=hung type=template_version_import silent_s=";
            CPPUNIT_ASSERT_EQUAL_MESSAGE(log(), std::size_t{1}, count(log(), line));
            const long long late = std::stoll(log().substr(log().find(line) + line.size())) - 60;
            figure() << "a job was terminated within " << late + 1
                     << " s of the moment when it was hung, at an interval of an hour\n";
            CPPUNIT_ASSERT_MESSAGE(log(), late >= 0 && late < 10); // a second on a machine that is not busy
        }
        CPPUNIT_ASSERT_MESSAGE(log(), runsFinished() <= jobs.size() + 1);
    }

    TEST(putsOffTheRunOfAJobThatReports)
    {
        const std::string job = database().addJob({.updatedAgo = "48 seconds"});
        start("Interval=1h\nHungJobDuration=1m\nHungJobExitTimeout=30\n");
        database().heartbeat(job);
        await([this] { return runsFinished() == 2; });
        expectNoMoreRunsThan(2, 3s); // the next is due in nearly a minute
        CPPUNIT_ASSERT(!isCompleted(job));
    }

    TEST(goesOnWithABacklogAfterASecond)
    {
        addHungJobs(7);
        start("Interval=1h\nMaxJobsPerRun=2\n");
        await([this] { return runsFinished() == 4; });
        CPPUNIT_ASSERT_EQUAL_MESSAGE(log(), std::size_t{7}, count(log(), "job terminated"));
        std::vector<Clock::time_point> ends;
        for (const RecordedLine& line : recorded()) {
            if (line.text.find("run finished") != std::string::npos)
                ends.push_back(line.time);
        }
        for (std::size_t i = 1; i < ends.size(); ++i)
            CPPUNIT_ASSERT_MESSAGE(log(), ends[i] - ends[i - 1] >= 1s);
        expectNoMoreRunsThan(4, 2s);
    }

    TEST(waitsForAnIntervalWhenABacklogIsLocked)
    {
        addHungJobs(7);
        const OpenTransaction worker(connectionString(), "SELECT FROM provisioner_jobs FOR UPDATE");
        start("Interval=1h\nMaxJobsPerRun=2\n");
        CPPUNIT_ASSERT_MESSAGE(log(), count(log(), "run finished terminated=0 hung=7 locked=2") == 1);
        expectNoMoreRunsThan(1, 3s);
    }

    void start(const std::string& settings)
    /// Returns after the first run.
    {
        writeSettings(settings);
        startService();
        awaitRunsFinished(1);
    }
};

} // namespace HangDetection::Test
