#include "detection/MassHang.h"
#include "Suite.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class MassHangTest : public CppUnit::TestFixture
/// With the default limits: more than 55 percent of the running jobs, and more than 20 jobs.
{
    TEST_SUITE(MassHangTest);

    using Verdict = MassHang::Verdict;
    using enum MassHang::Verdict;

    static constexpr auto hold = 300s;
    static constexpr MassHang::Limits defaultLimits{55, 20, hold};
    static constexpr JobCounts everybodySilent{.running = 100, .silent = 100, .hung = 100};

    void expect(Verdict verdict, const JobCounts& jobs, std::chrono::milliseconds after)
    {
        CPPUNIT_ASSERT_EQUAL_MESSAGE("at " + std::to_string(after.count()) + " ms", static_cast<int>(verdict),
                                     static_cast<int>(_massHang.judge(jobs, _start + after)));
    }

    void expectMassHang(Verdict verdict, std::chrono::milliseconds after)
    {
        expect(verdict, everybodySilent, after);
    }

    void expectQuiet(Verdict verdict, std::chrono::milliseconds after)
    {
        expect(verdict, {.running = 100, .silent = 1, .hung = 1}, after);
    }

    TEST(holdsAboveBothLimitsOnly)
    {
        const auto isHeld = [this](std::int64_t hung, std::int64_t running) {
            const JobCounts jobs{.running = running, .silent = hung, .hung = hung};
            const Verdict verdict = MassHang(defaultLimits).judge(jobs, _start);
            CPPUNIT_ASSERT(verdict == began || verdict == none);
            return verdict == began;
        };
        CPPUNIT_ASSERT(isHeld(21, 38)); // 55.3 percent
        // At one of the limits.
        CPPUNIT_ASSERT(!isHeld(20, 20));
        CPPUNIT_ASSERT(!isHeld(22, 40));
    }

    TEST(endsWhenItIsSwitchedOff)
    {
        expectMassHang(began, 0s);
        _massHang.setLimits({0, 20, hold});
        expectMassHang(ended, 1s);
        expectMassHang(none, 2s);
    }

    TEST(holdsForOneHoldAtMost)
    {
        CPPUNIT_ASSERT(!_massHang.holdLeft(_start));
        expectMassHang(began, 0s);
        CPPUNIT_ASSERT(_massHang.holdLeft(_start + 100s) == 200s);
        expect(held, {.running = 100, .silent = 100, .hung = 0}, 120s);
        expectMassHang(held, hold - 1ms);
        expectMassHang(ended, hold);
        CPPUNIT_ASSERT(!_massHang.holdLeft(_start + hold));
        for (auto after = hold + 60s; after < 100 * hold; after += 60s)
            expectMassHang(none, after);
    }

    TEST(isNotExtendedByComingAndGoing)
    {
        expectMassHang(began, 0s);
        expectQuiet(ended, 60s);
        expectMassHang(held, 120s);
        expectQuiet(none, 180s);
        expectMassHang(held, 240s);
        for (auto after = hold; after < 10 * hold; after += 120s) {
            expectMassHang(none, after);
            expectQuiet(none, after + 60s);
        }
    }

    TEST(isNewAfterAWholeHoldWithoutOne)
    {
        expectMassHang(began, 0s);
        expectQuiet(ended, 60s);
        expectQuiet(none, 60s + hold - 1ms);
        expectMassHang(began, 60s + hold);
        expectMassHang(held, 60s + 2 * hold - 1ms);
        expectMassHang(ended, 60s + 2 * hold);
    }

    TEST(isNotNewAfterALongPauseBetweenTwoSearches)
    {
        expectMassHang(began, 0s);
        expectMassHang(ended, 12 * hold);
        expectMassHang(none, 24 * hold);
    }

    TEST(isNotNewWithOtherLimits)
    {
        expectMassHang(began, 0s);
        _massHang.setLimits({50, 10, hold});
        expectMassHang(held, hold - 1ms);
        _massHang.setLimits({50, 10, 2 * hold});
        CPPUNIT_ASSERT(_massHang.holdLeft(_start + hold) == hold);
        expectMassHang(held, 2 * hold - 1ms);
        expectMassHang(ended, 2 * hold);
        _massHang.setLimits(defaultLimits);
        expectMassHang(none, 2 * hold);
    }

    const MassHang::Clock::time_point _start = MassHang::Clock::now();
    MassHang _massHang{defaultLimits};
};

} // namespace HangDetection::Test
