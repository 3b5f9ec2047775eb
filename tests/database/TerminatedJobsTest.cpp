#include "detection/TerminatedJobs.h"
#include "ContractTexts.h"
#include "DatabaseFixture.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class TerminatedJobsTest : public DatabaseFixture
/// Terminated jobs that were alive after all.
{
    TEST_SUITE(TerminatedJobsTest);

    using Clock = TerminatedJobs::Clock;
    using Lines = std::vector<std::string>;

    std::string terminatedJob()
    {
        const std::string job = addHungJob();
        CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
        watchTerminated();
        return job;
    }

    void watchTerminated()
    /// What the detector has terminated since the last time.
    {
        for (; _terminateded < posted().terminated.size(); ++_terminateded) {
            const Termination& job = posted().terminated[_terminateded];
            _terminated.add({job.jobId, job.updatedAt}, _start);
        }
    }

    void look(Clock::duration after)
    /// As a run of the detector does.
    {
        JobStore store(ConnectionString::parse(connectionString(detectorRole)), patience);
        store.open({});
        const FoundJobs found = store.findJobs({.thresholds = {300s},
                                                .lookAhead = 60s,
                                                .places = 10,
                                                .last = {},
                                                .terminated = _terminated.due(60s, _start + after)});
        if (found.areTerminatedTouched)
            _terminated.reportRevived(store);
    }

    void expectTold(Clock::duration after, const Lines& expected)
    /// So far, and by a look then.
    {
        look(after);
        CPPUNIT_ASSERT_EQUAL(expected, revived());
    }

    void update(const std::string& job, const std::string& columns)
    {
        database().execute("UPDATE provisioner_jobs SET " + columns + " WHERE id = '" + job + "'");
    }

    TEST(tellsOnceWhatWorkersDidAfterwards)
    {
        const std::string reporting = terminatedJob();
        database().heartbeat(reporting);
        const std::string succeeding = terminatedJob();
        update(succeeding, success);
        const std::string failing = terminatedJob();
        update(failing, "updated_at = now(), completed_at = now(), error = 'terraform apply: exit status 1'");
        // By Coder's own statement, whose sender has not seen the termination: that is no worker.
        update(terminatedJob(), cancelledLate);
        terminatedJob(); // which stays as it is
        database().heartbeat(addHungJob());
        look(60s);
        update(reporting, success);
        look(120s);
        Lines told = revived();
        std::ranges::sort(told);
        Lines expected{reporting + " reported", succeeding + " succeeded", failing + " reported"};
        std::ranges::sort(expected);
        CPPUNIT_ASSERT_EQUAL(expected, told);
    }

    TEST(tellsNothingOfAnotherTermination)
    /// By Coder's own detector, of a job that a late cancel made a running one again.
    {
        const std::string job = terminatedJob();
        update(job, cancelledLate);
        update(job, "updated_at = now(), completed_at = now(), error = '" +
                        Sim::ContractTexts{.detector = "the reaper"}.error() + '\'');
        expectTold(60s, {});
        database().heartbeat(job);
        expectTold(120s, {job + " reported"});
    }

    TEST(tellsNothingOfATriggersTime)
    {
        duringTermination("new.updated_at = clock_timestamp()");
        const std::string job = terminatedJob();
        CPPUNIT_ASSERT(jobColumn(job, "(updated_at <> completed_at)") == "true");
        expectTold(60s, {});
        database().heartbeat(job);
        expectTold(120s, {job + " reported"});
    }

    TEST(looksAfterEachPauseAndOnceMoreAfterAnHour)
    {
        const std::string job = terminatedJob();
        const std::string late = terminatedJob();
        const std::string tooLate = terminatedJob();
        database().heartbeat(job);
        expectTold(59s, {});
        Lines told{job + " reported"};
        expectTold(60s, told);
        look(59min);
        database().heartbeat(late);
        told.push_back(late + " reported");
        expectTold(1h, told);
        database().heartbeat(tooLate);
        expectTold(2h, told);
    }

    TEST(watchesSomeOfVeryMany)
    {
        settings().massHangRatio = 0;
        settings().maxJobsPerRun = 600;
        addHungJobs(600);
        CPPUNIT_ASSERT_EQUAL(std::size_t{600}, run().terminated.size());
        watchTerminated();
        database().execute("UPDATE provisioner_jobs SET updated_at = now()");
        look(60s);
        CPPUNIT_ASSERT_EQUAL(TerminatedJobs::sampleSize, revived().size());
    }

    TEST(failsNoRun)
    {
        database().heartbeat(terminatedJob());
        database().execute("REVOKE SELECT (error) ON provisioner_jobs FROM hang_detector");
        expectTold(60s, {});
    }

    TEST(looksBetweenRuns)
    /// The detector itself.
    {
        settings().interval = 1s;
        const std::string job = addHungJob();
        CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
        run();
        database().heartbeat(job);
        std::this_thread::sleep_for(1s);
        run();
        CPPUNIT_ASSERT_EQUAL(Lines{job + " reported"}, posted().revived);
    }

    const Lines& revived() const { return _posted.revived; }

    const std::string success = "updated_at = now(), completed_at = now(), error = NULL";
    const std::string cancelledLate =
        "canceled_at = now(), completed_at = NULL, error = NULL, error_code = NULL";

    const Clock::time_point _start = Clock::now();
    Poco::NotificationCenter _center;
    PostedNotifications _posted{_center};
    TerminatedJobs _terminated{_center};
    std::size_t _terminateded = 0;
    /// So many of the posted terminations.
};

} // namespace HangDetection::Test
