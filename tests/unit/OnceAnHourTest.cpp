#include "detection/OnceAnHour.h"
#include "Suite.h"

#include <string>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class OnceAnHourTest : public CppUnit::TestFixture
{
    TEST_SUITE(OnceAnHourTest);

    bool add(const std::string& key, std::chrono::milliseconds after)
    {
        return _keys.add(key, _start + after);
    }

    std::string known(std::chrono::milliseconds after)
    {
        std::string keys;
        for (const auto& [key, added] : _keys.known(_start + after))
            keys += key;
        return keys;
    }

    TEST(takesAKeyOnceAnHour)
    {
        CPPUNIT_ASSERT(add("1", 0s));
        CPPUNIT_ASSERT(add("2", 1min));
        CPPUNIT_ASSERT(!add("1", 1h - 1ms));
        CPPUNIT_ASSERT(add("1", 1h));
        CPPUNIT_ASSERT(!add("1", 2h - 1ms));
    }

    TEST(takesNoMoreThanItHasRoomFor)
    {
        for (const char* const key : {"1", "2", "3"})
            CPPUNIT_ASSERT(add(key, 0s));
        CPPUNIT_ASSERT(!add("4", 1min));
        CPPUNIT_ASSERT(!add("1", 1min));
        CPPUNIT_ASSERT_EQUAL(std::string("123"), known(1min));
        CPPUNIT_ASSERT_EQUAL(std::string(), known(1h));
        CPPUNIT_ASSERT(add("4", 1h));
    }

    TEST(takesAgainWhatWasCleared)
    {
        add("1", 0s);
        _keys.clear();
        CPPUNIT_ASSERT_EQUAL(std::string(), known(0s));
        CPPUNIT_ASSERT(add("1", 1s));
    }

    OnceAnHour<std::string> _keys{3};
    const OnceAnHour<std::string>::Clock::time_point _start = OnceAnHour<std::string>::Clock::now();
};

} // namespace HangDetection::Test
