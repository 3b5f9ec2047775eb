#include "detection/EarlierLooks.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class EarlierLooksTest : public CppUnit::TestFixture
/// Looks that count when they are three seconds ago.
{
    CPPUNIT_TEST_SUITE(EarlierLooksTest);
    CPPUNIT_TEST(findsTheNewestThatIsLongEnoughAgo);
    CPPUNIT_TEST(forgetsThemWithTheSession);
    CPPUNIT_TEST_SUITE_END();

    std::string foundAt(std::chrono::milliseconds after) const
    {
        const auto found = _looks.find(_start + after);
        return found ? found->look.snapshot : "";
    }

    void add(const std::string& name, std::chrono::milliseconds after)
    {
        _looks.add({name, std::chrono::microseconds(0)}, _start + after);
    }

    void findsTheNewestThatIsLongEnoughAgo()
    {
        CPPUNIT_ASSERT_EQUAL(std::string(), foundAt(0s));
        add("first", 0s);
        CPPUNIT_ASSERT_EQUAL(std::string(), foundAt(2999ms));
        CPPUNIT_ASSERT_EQUAL(std::string("first"), foundAt(3s));
        add("second", 3s);
        CPPUNIT_ASSERT_EQUAL(std::string("first"), foundAt(5s));
        // Otherwise runs that come each second would never have one that is long enough ago.
        add("too soon", 5s);
        CPPUNIT_ASSERT_EQUAL(std::string("second"), foundAt(6s));
        add("third", 6s);
        CPPUNIT_ASSERT_EQUAL(std::string("third"), foundAt(9s));
    }

    void forgetsThemWithTheSession()
    {
        add("first", 0s);
        add("second", 3s);
        _looks.forget();
        CPPUNIT_ASSERT_EQUAL(std::string(), foundAt(1h));
    }

    const EarlierLooks::Clock::time_point _start = EarlierLooks::Clock::now();
    EarlierLooks _looks{3s};
};

CPPUNIT_TEST_SUITE_REGISTRATION(EarlierLooksTest);

} // namespace HangDetection::Test
