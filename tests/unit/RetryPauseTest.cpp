#include "detection/RetryPause.h"

#include <cppunit/extensions/HelperMacros.h>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class RetryPauseTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(RetryPauseTest);
    CPPUNIT_TEST(doublesUntilTheNextRunComesAnyway);
    CPPUNIT_TEST(startsOverAfterASuccess);
    CPPUNIT_TEST(doesNotAddToShortIntervals);
    CPPUNIT_TEST(isNotTheSameForAllDetectors);
    CPPUNIT_TEST_SUITE_END();

    static void assertAbout(RetryPause::Milliseconds expected, std::optional<RetryPause::Milliseconds> pause)
    {
        CPPUNIT_ASSERT(pause.has_value());
        CPPUNIT_ASSERT(*pause <= expected);
        CPPUNIT_ASSERT(*pause >= expected * 3 / 4);
    }

    void doublesUntilTheNextRunComesAnyway()
    {
        RetryPause pause(60s);
        for (const auto expected : {1s, 2s, 4s, 8s, 16s, 32s})
            assertAbout(expected, pause.next());
        CPPUNIT_ASSERT(!pause.next());
        CPPUNIT_ASSERT(!pause.next());
    }

    void startsOverAfterASuccess()
    {
        RetryPause pause(60s);
        pause.next();
        pause.next();
        pause.reset();
        assertAbout(1s, pause.next());
    }

    void doesNotAddToShortIntervals() { CPPUNIT_ASSERT(!RetryPause(1s).next()); }

    void isNotTheSameForAllDetectors()
    {
        // Twenty equal pauses of 250 possible lengths come about once in 10^45 times.
        const auto first = RetryPause(60s).next();
        bool isDifferent = false;
        for (int i = 0; i < 20; ++i)
            isDifferent = isDifferent || RetryPause(60s).next() != first;
        CPPUNIT_ASSERT(isDifferent);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RetryPauseTest);

} // namespace HangDetection::Test
