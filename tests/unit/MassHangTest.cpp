#include "detection/MassHang.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace HangDetection::Test {

using namespace std::chrono_literals;

using Verdict = MassHang::Verdict;

class MassHangTest : public CppUnit::TestFixture
/// With the default limits: more than 55 percent of the running jobs, and more than 20 jobs.
{
    CPPUNIT_TEST_SUITE(MassHangTest);
    CPPUNIT_TEST(holdsAboveBothLimits);
    CPPUNIT_TEST(doesNotHoldAtOneOfTheLimits);
    CPPUNIT_TEST(doesNotHoldBelowOneOfTheLimits);
    CPPUNIT_TEST(countsWhoIsSilentWhenOneIsHung);
    CPPUNIT_TEST(neverHoldsWithRatioZero);
    CPPUNIT_TEST(tellsItsBeginningAndItsEndOnce);
    CPPUNIT_TEST(holdsForOneHoldAtMost);
    CPPUNIT_TEST(endsWhenJobsReportAgain);
    CPPUNIT_TEST(isNotExtendedByComingAndGoing);
    CPPUNIT_TEST(isNewAfterAWholeHoldWithoutOne);
    CPPUNIT_TEST(isNotNewAfterALongPauseBetweenTwoSearches);
    CPPUNIT_TEST(isNewAfterTheDatabaseWasAwayForAWholeHold);
    CPPUNIT_TEST(isNotNewAfterTheDatabaseWasAwayForAMoment);
    CPPUNIT_TEST(tellsHowMuchOfTheHoldIsLeft);
    CPPUNIT_TEST(isNotNewWithOtherLimits);
    CPPUNIT_TEST(endsWhenItIsSwitchedOff);
    CPPUNIT_TEST_SUITE_END();

    static constexpr auto hold = 300s;

    void expect(Verdict verdict, std::int64_t hung, std::int64_t running, std::chrono::milliseconds after)
    {
        CPPUNIT_ASSERT_EQUAL_MESSAGE(
            "at " + std::to_string(after.count()) + " ms", static_cast<int>(verdict),
            static_cast<int>(
                _massHang.judge({.running = running, .silent = hung, .hung = hung}, _start + after)));
    }

    void expectMassHang(Verdict verdict, std::chrono::milliseconds after)
    {
        expect(verdict, 100, 100, after);
    }

    void expectQuiet(Verdict verdict, std::chrono::milliseconds after) { expect(verdict, 1, 100, after); }

    void holdsAboveBothLimits()
    {
        expect(Verdict::began, 21, 38, 0s); // 55.3 percent
        MassHang other({55, 20, hold});
        CPPUNIT_ASSERT(Verdict::began == other.judge({.running = 100, .silent = 56, .hung = 56}, _start));
    }

    void doesNotHoldAtOneOfTheLimits()
    {
        expect(Verdict::none, 20, 20, 0s);
        expect(Verdict::none, 55, 100, 1s);
        expect(Verdict::none, 22, 40, 2s);
    }

    void doesNotHoldBelowOneOfTheLimits()
    {
        expect(Verdict::none, 19, 19, 0s);
        expect(Verdict::none, 54, 100, 1s);
        expect(Verdict::none, 0, 0, 2s);
        expect(Verdict::none, 5000, 10000, 3s);
    }

    void countsWhoIsSilentWhenOneIsHung()
    {
        CPPUNIT_ASSERT(Verdict::none == _massHang.judge({.running = 100, .silent = 90, .hung = 0}, _start));
        CPPUNIT_ASSERT(Verdict::began == _massHang.judge({.running = 100, .silent = 90, .hung = 1}, _start));
        CPPUNIT_ASSERT(Verdict::held == _massHang.judge({.running = 100, .silent = 90, .hung = 0}, _start));
        CPPUNIT_ASSERT(Verdict::ended == _massHang.judge({.running = 100, .silent = 55, .hung = 55}, _start));
    }

    void neverHoldsWithRatioZero()
    {
        MassHang off({0, 0, hold});
        CPPUNIT_ASSERT(Verdict::none == off.judge({.running = 1000, .silent = 1000, .hung = 1000}, _start));
        CPPUNIT_ASSERT(!off.holdLeft(_start));
    }

    void tellsItsBeginningAndItsEndOnce()
    {
        expectMassHang(Verdict::began, 0s);
        expectMassHang(Verdict::held, 60s);
        expectMassHang(Verdict::held, 120s);
        expectQuiet(Verdict::ended, 180s);
        expectQuiet(Verdict::none, 240s);
    }

    void holdsForOneHoldAtMost()
    {
        expectMassHang(Verdict::began, 0s);
        expectMassHang(Verdict::held, hold - 1ms);
        expectMassHang(Verdict::ended, hold);
        for (auto after = hold + 60s; after < 100 * hold; after += 60s)
            expectMassHang(Verdict::none, after);
    }

    void endsWhenJobsReportAgain()
    {
        expectMassHang(Verdict::began, 0s);
        expect(Verdict::ended, 55, 100, 1s);
        CPPUNIT_ASSERT(!_massHang.holdLeft(_start + 1s));
    }

    void isNotExtendedByComingAndGoing()
    {
        expectMassHang(Verdict::began, 0s);
        expectQuiet(Verdict::ended, 60s);
        expectMassHang(Verdict::held, 120s);
        expectQuiet(Verdict::none, 180s);
        expectMassHang(Verdict::held, 240s);
        for (auto after = hold; after < 10 * hold; after += 120s) {
            expectMassHang(Verdict::none, after);
            expectQuiet(Verdict::none, after + 60s);
        }
    }

    void isNewAfterAWholeHoldWithoutOne()
    {
        expectMassHang(Verdict::began, 0s);
        expectQuiet(Verdict::ended, 60s);
        expectQuiet(Verdict::none, 60s + hold - 1ms);
        expectMassHang(Verdict::began, 60s + hold);
        expectMassHang(Verdict::held, 60s + 2 * hold - 1ms);
        expectMassHang(Verdict::ended, 60s + 2 * hold);
    }

    void isNotNewAfterALongPauseBetweenTwoSearches()
    {
        expectMassHang(Verdict::began, 0s);
        expectMassHang(Verdict::ended, 12 * hold);
        expectMassHang(Verdict::none, 24 * hold);
    }

    void isNewAfterTheDatabaseWasAwayForAWholeHold()
    {
        expectMassHang(Verdict::began, 0s);
        expectMassHang(Verdict::ended, hold);
        _massHang.missedSearch();
        expectMassHang(Verdict::began, 2 * hold);
    }

    void isNotNewAfterTheDatabaseWasAwayForAMoment()
    {
        expectMassHang(Verdict::began, 0s);
        _massHang.missedSearch();
        expectMassHang(Verdict::held, hold - 1ms);
        _massHang.missedSearch();
        expectMassHang(Verdict::ended, 2 * hold - 2ms);
        expectMassHang(Verdict::none, 4 * hold);
    }

    void tellsHowMuchOfTheHoldIsLeft()
    {
        CPPUNIT_ASSERT(!_massHang.holdLeft(_start));
        expectMassHang(Verdict::began, 0s);
        CPPUNIT_ASSERT(_massHang.holdLeft(_start + 100s) == 200s);
        expectMassHang(Verdict::ended, hold);
        CPPUNIT_ASSERT(!_massHang.holdLeft(_start + hold));
    }

    void isNotNewWithOtherLimits()
    {
        expectMassHang(Verdict::began, 0s);
        _massHang.setLimits({50, 10, hold});
        expectMassHang(Verdict::held, hold - 1ms);
        _massHang.setLimits({50, 10, 2 * hold});
        CPPUNIT_ASSERT(_massHang.holdLeft(_start + hold) == hold);
        expectMassHang(Verdict::held, 2 * hold - 1ms);
        expectMassHang(Verdict::ended, 2 * hold);
        _massHang.setLimits({55, 20, hold});
        expectMassHang(Verdict::none, 2 * hold);
    }

    void endsWhenItIsSwitchedOff()
    {
        expectMassHang(Verdict::began, 0s);
        _massHang.setLimits({0, 20, hold});
        expectMassHang(Verdict::ended, 1s);
        expectMassHang(Verdict::none, 2s);
    }

    const MassHang::Clock::time_point _start = MassHang::Clock::now();
    MassHang _massHang{{55, 20, hold}};
};

CPPUNIT_TEST_SUITE_REGISTRATION(MassHangTest);

} // namespace HangDetection::Test
