#include "detection/RetryPause.h"
#include "Suite.h"

#include <set>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class RetryPauseTest : public CppUnit::TestFixture
{
    TEST_SUITE(RetryPauseTest);

    static void assertAbout(RetryPause::Milliseconds expected, std::optional<RetryPause::Milliseconds> pause)
    {
        CPPUNIT_ASSERT(pause.has_value());
        CPPUNIT_ASSERT(*pause <= expected);
        CPPUNIT_ASSERT(*pause >= expected * 3 / 4);
    }

    TEST(doublesUntilTheNextRunComesAnywayOrASuccess)
    {
        RetryPause pause;
        for (const auto expected : {1s, 2s, 4s, 8s, 16s, 32s})
            assertAbout(expected, pause.next(60s));
        CPPUNIT_ASSERT(!pause.next(60s));
        CPPUNIT_ASSERT(!pause.next(60s));
        pause.reset();
        assertAbout(1s, pause.next(60s));
    }

    TEST(endsAtTheInterval)
    {
        CPPUNIT_ASSERT(!RetryPause().next(1s));
        // One that has become shorter, and longer again.
        RetryPause pause;
        assertAbout(1s, pause.next(60s));
        assertAbout(2s, pause.next(3s));
        CPPUNIT_ASSERT(!pause.next(3s));
        assertAbout(4s, pause.next(60s));
    }

    TEST(isNotTheSameForAllDetectors)
    {
        // That twenty pauses of 250 possible lengths are equal comes about once in 10^45 times.
        std::set<std::optional<RetryPause::Milliseconds>> pauses;
        for (int i = 0; i < 20; ++i)
            pauses.insert(RetryPause().next(60s));
        CPPUNIT_ASSERT(pauses.size() > 1);
    }
};

} // namespace HangDetection::Test
