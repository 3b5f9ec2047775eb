#include "detection/ClockLag.h"
#include "Suite.h"

#include <string>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class ClockLagTest : public CppUnit::TestFixture
/// Heartbeats and looks, in seconds after the first look.
{
    TEST_SUITE(ClockLagTest);

    using Verdict = ClockLag::Verdict;
    using enum ClockLag::Verdict;

    void expect(Verdict verdict, std::optional<std::chrono::seconds> age, std::chrono::seconds earlierLook,
                std::chrono::seconds look)
    {
        CPPUNIT_ASSERT_EQUAL_MESSAGE("at " + std::to_string(look.count()) + " s", static_cast<int>(verdict),
                                     static_cast<int>(_lag.judge(age, _start + earlierLook, _start + look)));
    }

    TEST(beginsAtASecondLook)
    {
        CPPUNIT_ASSERT(!_lag.isSuspected());
        expect(none, 330s, 0s, 3s);
        CPPUNIT_ASSERT(_lag.isSuspected());
        CPPUNIT_ASSERT(_lag.known() == 0s);
        expect(began, 330s, 3s, 6s);
        CPPUNIT_ASSERT(!_lag.isSuspected());
        CPPUNIT_ASSERT(_lag.known() == 330s);
    }

    TEST(takesTheSameRowForOneSign)
    /// Looks that come sooner are compared with one that was before the row was written.
    {
        expect(none, 330s, 0s, 4s);
        expect(none, 331s, 3s, 5s);
        CPPUNIT_ASSERT(_lag.known() == 0s);
    }

    TEST(forgetsASignThatIsNotRepeated)
    {
        expect(none, 330s, 0s, 3s);
        expect(none, std::nullopt, 3s, 6s);
        CPPUNIT_ASSERT(!_lag.isSuspected());
        expect(none, 330s, 6s, 9s);
    }

    TEST(toleratesABusyServerAndADeadWorker)
    {
        expect(none, 33s, 0s, 3s);
        expect(none, 33s, 3s, 6s);
        CPPUNIT_ASSERT(!_lag.isSuspected());
        // The last heartbeat of the worker came after the look before.
        expect(none, 60s, 6s, 66s);
        CPPUNIT_ASSERT(!_lag.isSuspected());
    }

    TEST(followsTheClockUntilAHeartbeatIsFresh)
    {
        beginsAtASecondLook();
        expect(none, 400s, 6s, 66s);
        CPPUNIT_ASSERT(_lag.known() == 400s);
        // Nobody reports.
        expect(none, std::nullopt, 66s, 126s);
        CPPUNIT_ASSERT(_lag.known() == 400s);
        expect(none, 60s, 126s, 186s);
        CPPUNIT_ASSERT(_lag.known() == 60s);
        expect(ended, 1s, 186s, 189s);
        CPPUNIT_ASSERT(_lag.known() == 0s);
        expect(none, 1s, 189s, 192s);
    }

    const ClockLag::Clock::time_point _start = ClockLag::Clock::now();
    ClockLag _lag;
};

} // namespace HangDetection::Test
