#include "Duration.h"

#include <cppunit/extensions/HelperMacros.h>

#include <array>
#include <string>

namespace HangDetection::Test {

using std::chrono::seconds;

class DurationTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(DurationTest);
    CPPUNIT_TEST(readsSecondsMinutesAndHours);
    CPPUNIT_TEST(refusesEverythingElse);
    CPPUNIT_TEST(refusesWhatDoesNotFit);
    CPPUNIT_TEST(writesTheLargestUnitThatDivides);
    CPPUNIT_TEST(readsBackWhatItWrites);
    CPPUNIT_TEST_SUITE_END();

    void readsSecondsMinutesAndHours()
    {
        CPPUNIT_ASSERT(parseDuration("0") == seconds(0));
        CPPUNIT_ASSERT(parseDuration("90") == seconds(90));
        CPPUNIT_ASSERT(parseDuration("90s") == seconds(90));
        CPPUNIT_ASSERT(parseDuration("90S") == seconds(90));
        CPPUNIT_ASSERT(parseDuration("5m") == seconds(300));
        CPPUNIT_ASSERT(parseDuration("5M") == seconds(300));
        CPPUNIT_ASSERT(parseDuration("2h") == seconds(7200));
        CPPUNIT_ASSERT(parseDuration("2H") == seconds(7200));
    }

    void refusesEverythingElse()
    {
        for (const char* const text : {"", "s", "m", "-1", "-0", "+1", "5 m", " 5", "5 ", "1.5", "4,2", "5x",
                                       "5ms", "5mm", "0x10", "1e3", "1h30m", "five", "5d"})
            CPPUNIT_ASSERT_MESSAGE(text, !parseDuration(text));
        CPPUNIT_ASSERT(!parseDuration(std::string("5\0m", 3)));
    }

    void refusesWhatDoesNotFit()
    {
        CPPUNIT_ASSERT(parseDuration("9223372036854775807") == seconds(9223372036854775807));
        CPPUNIT_ASSERT(!parseDuration("9223372036854775808"));
        CPPUNIT_ASSERT(!parseDuration("9223372036854775807m"));
        CPPUNIT_ASSERT(!parseDuration("2562047788015216h"));
        CPPUNIT_ASSERT(parseDuration("2562047788015215h"));
    }

    void writesTheLargestUnitThatDivides()
    {
        CPPUNIT_ASSERT_EQUAL(std::string("0s"), formatDuration(seconds(0)));
        CPPUNIT_ASSERT_EQUAL(std::string("90s"), formatDuration(seconds(90)));
        CPPUNIT_ASSERT_EQUAL(std::string("5m"), formatDuration(seconds(300)));
        CPPUNIT_ASSERT_EQUAL(std::string("30m"), formatDuration(seconds(1800)));
        CPPUNIT_ASSERT_EQUAL(std::string("2h"), formatDuration(seconds(7200)));
        CPPUNIT_ASSERT_EQUAL(std::string("121m"), formatDuration(seconds(7260)));
    }

    void readsBackWhatItWrites()
    {
        for (const int count : {1, 59, 60, 61, 1800, 3599, 3600, 3660, 604800})
            CPPUNIT_ASSERT(parseDuration(formatDuration(seconds(count))) == seconds(count));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DurationTest);

} // namespace HangDetection::Test
