#include "detection/FailedJobs.h"
#include "Suite.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class FailedJobsTest : public CppUnit::TestFixture
{
    TEST_SUITE(FailedJobsTest);

    bool add(const JobId& job, const std::string& sqlState, const std::string& error,
             std::chrono::milliseconds after)
    {
        Termination failed;
        failed.jobId = job;
        failed.sqlState = sqlState;
        failed.error = error;
        return _failedJobs.add(failed, _start + after);
    }

    void expectKnown(const std::set<JobId>& jobs, std::chrono::milliseconds after)
    {
        CPPUNIT_ASSERT(jobs == _failedJobs.known(_start + after));
    }

    TEST(reportsEachErrorOfAJobOnceAnHour)
    {
        CPPUNIT_ASSERT(add("1", "P0001", "refused at 10:00", 0s));
        CPPUNIT_ASSERT(!add("1", "P0001", "refused at 10:01", 1min));
        CPPUNIT_ASSERT(add("2", "P0001", "refused at 10:01", 1min));
        CPPUNIT_ASSERT(add("1", "23505", "duplicate", 1min));
        CPPUNIT_ASSERT(!add("1", "P0001", "refused at 10:02", 2min));
        // Without SQLSTATE the text counts.
        CPPUNIT_ASSERT(add("1", "", "no build", 0s));
        CPPUNIT_ASSERT(!add("1", "", "no build", 1min));
        CPPUNIT_ASSERT(add("1", "", "something else", 1min));
    }

    TEST(knowsEachJobOnceForAnHour)
    {
        add("1", "P0001", "refused", 0s);
        add("1", "23505", "duplicate", 1min);
        add("2", "P0001", "refused", 1min);
        expectKnown({"1", "2"}, 2min);
        expectKnown({"1", "2"}, 61min - 1ms);
        expectKnown({}, 61min);
    }

    TEST(forgetsAJobThatIsWell)
    {
        add("1", "P0001", "refused", 0s);
        add("2", "P0001", "refused", 0s);
        add("2", "23505", "duplicate", 0s);
        add("3", "P0001", "refused", 0s);
        _failedJobs.remove("2");
        expectKnown({"1", "3"}, 1s);
        CPPUNIT_ASSERT(add("2", "P0001", "refused", 1s));
    }

    TEST(reportsTheErrorOfAJobThatWasSuspected)
    {
        _failedJobs.suspect("1", _start);
        expectKnown({"1"}, 1s);
        CPPUNIT_ASSERT(add("1", "42501", "not this one", 1s));
        expectKnown({"1"}, 2s);
        _failedJobs.suspect("2", _start);
        expectKnown({"1", "2"}, 2s);
        _failedJobs.remove("2");
        _failedJobs.remove("1");
        expectKnown({}, 3s);
    }

    const FailedJobs::Clock::time_point _start = FailedJobs::Clock::now();
    FailedJobs _failedJobs;
};

} // namespace HangDetection::Test
