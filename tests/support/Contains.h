#pragma once

#include <cppunit/TestAssert.h>

#include <string>

namespace HangDetection::Test {

inline bool contains(const std::string& part, const std::string& text)
{
    return text.find(part) != std::string::npos;
}

inline void assertContains(const std::string& part, const std::string& text)
{
    CPPUNIT_ASSERT_MESSAGE("'" + part + "' is not in:\n" + text, contains(part, text));
}

inline void assertLacks(const std::string& part, const std::string& text)
{
    CPPUNIT_ASSERT_MESSAGE("'" + part + "' is in:\n" + text, !contains(part, text));
}

} // namespace HangDetection::Test
