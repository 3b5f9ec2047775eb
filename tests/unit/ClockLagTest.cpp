#include "detection/ClockLag.h"

#include <cppunit/extensions/HelperMacros.h>

#include <optional>

namespace HangDetection::Test {

using namespace std::chrono_literals;

using Verdict = ClockLag::Verdict;

class ClockLagTest : public CppUnit::TestFixture
/// Heartbeats and looks, in seconds after the first look.
{
    CPPUNIT_TEST_SUITE(ClockLagTest);
    CPPUNIT_TEST(beginsAtASecondLook);
    CPPUNIT_TEST(takesTheSameRowForOneSign);
    CPPUNIT_TEST(forgetsASignThatIsNotRepeated);
    CPPUNIT_TEST(toleratesABusyServer);
    CPPUNIT_TEST(doesNotTakeADeadWorkerForAClock);
    CPPUNIT_TEST(followsTheClock);
    CPPUNIT_TEST(staysWhileNobodyReports);
    CPPUNIT_TEST(endsWithAFreshHeartbeat);
    CPPUNIT_TEST_SUITE_END();

    Verdict judge(std::optional<std::chrono::seconds> age, std::chrono::seconds earlierLook,
                  std::chrono::seconds look)
    {
        return _lag.judge(age, _start + earlierLook, _start + look);
    }

    void begin()
    {
        CPPUNIT_ASSERT(judge(330s, 0s, 3s) == Verdict::none);
        CPPUNIT_ASSERT(judge(330s, 3s, 6s) == Verdict::began);
    }

    void beginsAtASecondLook()
    {
        CPPUNIT_ASSERT(!_lag.isSuspected());
        CPPUNIT_ASSERT(judge(330s, 0s, 3s) == Verdict::none);
        CPPUNIT_ASSERT(_lag.isSuspected());
        CPPUNIT_ASSERT(_lag.known() == 0s);
        CPPUNIT_ASSERT(judge(330s, 3s, 6s) == Verdict::began);
        CPPUNIT_ASSERT(!_lag.isSuspected());
        CPPUNIT_ASSERT(_lag.known() == 330s);
    }

    void takesTheSameRowForOneSign()
    /// Looks that come sooner are compared with one that was before the row was written.
    {
        CPPUNIT_ASSERT(judge(330s, 0s, 4s) == Verdict::none);
        CPPUNIT_ASSERT(judge(331s, 3s, 5s) == Verdict::none);
        CPPUNIT_ASSERT(_lag.known() == 0s);
    }

    void forgetsASignThatIsNotRepeated()
    {
        CPPUNIT_ASSERT(judge(330s, 0s, 3s) == Verdict::none);
        CPPUNIT_ASSERT(judge(std::nullopt, 3s, 6s) == Verdict::none);
        CPPUNIT_ASSERT(!_lag.isSuspected());
        CPPUNIT_ASSERT(judge(330s, 6s, 9s) == Verdict::none);
    }

    void toleratesABusyServer()
    {
        CPPUNIT_ASSERT(judge(33s, 0s, 3s) == Verdict::none);
        CPPUNIT_ASSERT(judge(33s, 3s, 6s) == Verdict::none);
        CPPUNIT_ASSERT(!_lag.isSuspected());
    }

    void doesNotTakeADeadWorkerForAClock()
    /// Whose last heartbeat came after the look before.
    {
        CPPUNIT_ASSERT(judge(60s, 0s, 60s) == Verdict::none);
        CPPUNIT_ASSERT(!_lag.isSuspected());
    }

    void followsTheClock()
    {
        begin();
        CPPUNIT_ASSERT(judge(400s, 6s, 66s) == Verdict::none);
        CPPUNIT_ASSERT(_lag.known() == 400s);
        CPPUNIT_ASSERT(judge(60s, 66s, 126s) == Verdict::none);
        CPPUNIT_ASSERT(_lag.known() == 60s);
    }

    void staysWhileNobodyReports()
    {
        begin();
        CPPUNIT_ASSERT(judge(std::nullopt, 6s, 66s) == Verdict::none);
        CPPUNIT_ASSERT(_lag.known() == 330s);
    }

    void endsWithAFreshHeartbeat()
    {
        begin();
        CPPUNIT_ASSERT(judge(1s, 6s, 9s) == Verdict::ended);
        CPPUNIT_ASSERT(_lag.known() == 0s);
        CPPUNIT_ASSERT(judge(1s, 9s, 12s) == Verdict::none);
    }

    const ClockLag::Clock::time_point _start = ClockLag::Clock::now();
    ClockLag _lag;
};

CPPUNIT_TEST_SUITE_REGISTRATION(ClockLagTest);

} // namespace HangDetection::Test
