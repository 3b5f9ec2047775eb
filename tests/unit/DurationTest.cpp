#include "Duration.h"
#include "Suite.h"

#include <Poco/String.h>

#include <map>

namespace HangDetection::Test {

using std::chrono::seconds;

class DurationTest : public CppUnit::TestFixture
{
    TEST_SUITE(DurationTest);

    TEST(refusesEverythingElse)
    {
        for (const char* const text : {"", "s", "m", "-1", "-0", "+1", "5 m", " 5", "5 ", "1.5", "4,2", "5x",
                                       "5ms", "5mm", "0x10", "1e3", "1h30m", "five", "5d"})
            CPPUNIT_ASSERT_MESSAGE(text, !parseDuration(text));
        CPPUNIT_ASSERT(!parseDuration(std::string("5\0m", 3)));
    }

    TEST(refusesWhatDoesNotFit)
    {
        CPPUNIT_ASSERT(parseDuration("9223372036854775807") == seconds(9223372036854775807));
        CPPUNIT_ASSERT(!parseDuration("9223372036854775808"));
        CPPUNIT_ASSERT(!parseDuration("9223372036854775807m"));
        CPPUNIT_ASSERT(!parseDuration("2562047788015216h"));
        CPPUNIT_ASSERT(parseDuration("2562047788015215h"));
    }

    TEST(writesTheLargestUnitThatDividesAndReadsItBack)
    {
        const std::map<std::string, int> durations{{"0s", 0},     {"90s", 90},     {"1m", 60},
                                                   {"61s", 61},   {"3599s", 3599}, {"1h", 3600},
                                                   {"61m", 3660}, {"168h", 604800}};
        for (const auto& [text, count] : durations) {
            CPPUNIT_ASSERT_EQUAL(text, formatDuration(seconds(count)));
            CPPUNIT_ASSERT_MESSAGE(text, parseDuration(text) == seconds(count));
            CPPUNIT_ASSERT_MESSAGE(text, parseDuration(Poco::toUpper(text)) == seconds(count));
        }
        CPPUNIT_ASSERT(parseDuration("90") == seconds(90));
    }
};

} // namespace HangDetection::Test
