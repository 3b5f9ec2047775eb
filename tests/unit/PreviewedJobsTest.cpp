#include "detection/PreviewedJobs.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <vector>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class PreviewedJobsTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(PreviewedJobsTest);
    CPPUNIT_TEST(tellsAJobOnceAnHour);
    CPPUNIT_TEST(knowsEachJobForAnHour);
    CPPUNIT_TEST(tellsNoMoreThanItRemembers);
    CPPUNIT_TEST(tellsAgainWhatWasCleared);
    CPPUNIT_TEST_SUITE_END();

    bool add(const JobId& job, std::chrono::milliseconds after) { return _jobs.add(job, _start + after); }

    std::vector<JobId> known(std::chrono::milliseconds after) { return _jobs.known(_start + after); }

    void tellsAJobOnceAnHour()
    {
        CPPUNIT_ASSERT(add("1", 0s));
        CPPUNIT_ASSERT(add("2", 1min));
        CPPUNIT_ASSERT(!add("1", 1h - 1ms));
        CPPUNIT_ASSERT(add("1", 1h));
        CPPUNIT_ASSERT(!add("1", 2h - 1ms));
    }

    void knowsEachJobForAnHour()
    {
        add("2", 0s);
        add("1", 1min);
        CPPUNIT_ASSERT(known(1h - 1ms) == (std::vector<JobId>{"1", "2"}));
        CPPUNIT_ASSERT(known(1h) == std::vector<JobId>{"1"});
        CPPUNIT_ASSERT(known(1h + 1min).empty());
    }

    void tellsNoMoreThanItRemembers()
    {
        for (std::size_t i = 0; i < PreviewedJobs::most; ++i)
            CPPUNIT_ASSERT(add(std::to_string(i), 0s));
        CPPUNIT_ASSERT(!add("one more", 1min));
        CPPUNIT_ASSERT(known(1h).empty());
        CPPUNIT_ASSERT(add("one more", 1h));
    }

    void tellsAgainWhatWasCleared()
    {
        add("1", 0s);
        _jobs.clear();
        CPPUNIT_ASSERT(known(0s).empty());
        CPPUNIT_ASSERT(add("1", 1s));
    }

    PreviewedJobs _jobs;
    const PreviewedJobs::Clock::time_point _start = PreviewedJobs::Clock::now();
};

CPPUNIT_TEST_SUITE_REGISTRATION(PreviewedJobsTest);

} // namespace HangDetection::Test
