#include "detection/EarlierLooks.h"
#include "Suite.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class EarlierLooksTest : public CppUnit::TestFixture
/// Looks that count when they are three seconds ago.
{
    TEST_SUITE(EarlierLooksTest);

    void expectFound(const std::string& name, std::chrono::milliseconds after) const
    {
        const auto found = _looks.find(_start + after);
        CPPUNIT_ASSERT_EQUAL(name, found ? found->look.snapshot : "");
    }

    void add(const std::string& name, std::chrono::milliseconds after)
    {
        _looks.add({name, "-infinity"}, _start + after);
    }

    TEST(findsTheNewestThatIsLongEnoughAgoUntilItForgets)
    {
        expectFound("", 0s);
        add("first", 0s);
        expectFound("", 2999ms);
        expectFound("first", 3s);
        add("second", 3s);
        expectFound("first", 5s);
        // Otherwise runs that come each second would never have one that is long enough ago.
        add("too soon", 5s);
        expectFound("second", 6s);
        add("third", 6s);
        expectFound("third", 9s);
        _looks.forget();
        expectFound("", 1h);
    }

    const EarlierLooks::Clock::time_point _start = EarlierLooks::Clock::now();
    EarlierLooks _looks{3s};
};

} // namespace HangDetection::Test
