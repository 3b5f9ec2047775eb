#include "detection/EarlierLooks.h"
#include "Suite.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class EarlierLooksTest : public CppUnit::TestFixture
/// Looks that count when they are three seconds ago. Times are counted from the first look, by both clocks.
{
    TEST_SUITE(EarlierLooksTest);

    using Milliseconds = std::chrono::milliseconds;

    static constexpr auto threshold = 60s;

    void expectFound(const std::string& name, Milliseconds after) const
    {
        const auto found = _looks.find(_start + after);
        CPPUNIT_ASSERT_EQUAL(name, found ? found->look.snapshot : "");
    }

    EarlierLooks::Added add(const std::string& name, Milliseconds after, Milliseconds clock,
                            Milliseconds took = 0ms)
    {
        return _looks.add({name, std::chrono::hours(1000) + clock}, _start + after, _start + after + took);
    }

    EarlierLooks::Added look(Milliseconds after, int session = 1)
    {
        _looks.begin(_start + after, session);
        return add("", after, after);
    }

    void expectDelay(std::chrono::seconds length, std::chrono::seconds changesIn, Milliseconds after) const
    {
        const auto delay = _looks.delay(threshold, _start + after);
        CPPUNIT_ASSERT_EQUAL(length.count(), delay.length.count());
        CPPUNIT_ASSERT_EQUAL(delay.changesIn.has_value(), changesIn > 0s);
        CPPUNIT_ASSERT(changesIn == delay.changesIn.value_or(0s));
    }

    void expectGap(std::chrono::seconds length, const EarlierLooks::Added& added, bool isUnsure)
    {
        CPPUNIT_ASSERT_EQUAL(std::chrono::microseconds(length).count(), added.gap.count());
        CPPUNIT_ASSERT_EQUAL(isUnsure, added.isUnsure);
    }

    TEST(findsTheNewestThatIsLongEnoughAgoUntilItForgets)
    {
        expectFound("", 0s);
        add("first", 0s, 0s);
        expectFound("", 2999ms);
        expectFound("first", 3s);
        add("second", 3s, 3s);
        expectFound("first", 5s);
        // Otherwise runs that come each second would never have one that is long enough ago.
        add("too soon", 5s, 5s);
        expectFound("second", 6s);
        add("third", 6s, 6s);
        expectFound("third", 9s);
        _looks.forget();
        expectFound("", 1h);
    }

    TEST(countsAllTimeWhileNothingHappens)
    {
        expectDelay(0s, 0s, 0s);
        look(0s);
        for (auto after = 60s; after < 600s; after += 60s) {
            _looks.expectNext(_start + after);
            expectGap(0s, look(after + EarlierLooks::patience), false);
        }
        // The clock is a little ahead.
        expectGap(0s, add("", 611s, 613s), false);
        expectDelay(0s, 0s, 620s);
    }

    TEST(countsNoTimeWithoutTheDatabase)
    {
        look(0s);
        _looks.missed(_start + 30s);
        _looks.begin(_start + 66s, 1);
        expectDelay(66s, 60s, 66s);
        expectGap(66s, add("", 66s, 66s), false);
        expectDelay(66s, 50s, 76s);
        expectDelay(66s, 1s, 125s);
        expectDelay(0s, 0s, 126s);
        CPPUNIT_ASSERT(_looks.delay(0s, _start + 76s).length == 0s); // no threshold
    }

    TEST(countsNoTimeBeforeANewSession)
    {
        look(0s, 1);
        expectGap(50s, look(50s, 2), false);
        // A termination ended the session, just after a search.
        _looks.expectNext(_start + 51s, true);
        expectGap(0s, look(51s, 3), false);
    }

    TEST(countsTheTimeWhenEachSessionIsCut)
    /// Such as by a proxy that ends idle connections.
    {
        look(0s, 1);
        expectGap(60s, look(60s, 2), false);
        expectGap(0s, look(63s, 2), false);
        _looks.expectNext(_start + 120s);
        expectGap(0s, look(120s, 3), false);
        _looks.expectNext(_start + 180s);
        expectGap(0s, look(180s, 3), false);
        // After a session that lasted, the loss of one is news again.
        _looks.expectNext(_start + 240s);
        expectGap(60s, look(240s, 4), false);
    }

    TEST(countsNoTimeBeforeALateLook)
    {
        look(0s);
        _looks.expectNext(_start + 5s);
        expectGap(66s, look(66s), false);
    }

    TEST(countsNoTimeBeforeTheClockIsSetAhead)
    /// Or before the monotonic clock stood still, with the machine.
    {
        look(0s);
        expectGap(0s, add("", 10s, 13s), false);
        expectGap(66s, add("", 20s, 79s), true);
        expectDelay(66s, 59s, 21s);
    }

    TEST(countsNoTimeBeforeAStall)
    {
        look(0s);
        expectGap(66s, add("", 6s, 66s, 60s), true);
        // The database is slow now, but it is not away.
        expectGap(0s, add("", 67s, 120s, 60s), false);
    }

    TEST(countsTheTimeBetweenGaps)
    /// So jobs become hung even if the database is away again and again.
    {
        look(0s);
        for (auto after = 0s; after < 300s; after += 30s) {
            _looks.missed(_start + after);
            look(after + 10s);
            look(after + 30s);
        }
        // 60 seconds of the last 90 count.
        expectDelay(20s, 20s, 300s);
        expectDelay(20s, 1s, 319s);
        expectDelay(10s, 20s, 320s);
    }

    TEST(countsTheTimeBeforeAStartButNotItsOutage)
    {
        _looks.missed(_start);
        _looks.missed(_start + 20s);
        _looks.begin(_start + 40s, 1);
        expectDelay(40s, 60s, 40s);
        look(40s);
        expectDelay(40s, 50s, 50s);
        expectDelay(0s, 0s, 100s);
    }

    TEST(forgetsTimesThatComeAgain)
    {
        look(0s);
        add("", 10s, 3600s);
        expectDelay(3600s, 60s, 10s);
        add("", 20s, 20s);
        expectDelay(20s, 60s, 20s);
        expectDelay(0s, 0s, 80s);
    }

    const EarlierLooks::Clock::time_point _start = EarlierLooks::Clock::now();
    EarlierLooks _looks{3s};
};

} // namespace HangDetection::Test
