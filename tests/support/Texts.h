#pragma once

#include <cppunit/TestAssert.h>

#include <cstddef>
#include <string>

namespace HangDetection::Test {

inline bool contains(const std::string& part, const std::string& text)
{
    return text.find(part) != std::string::npos;
}

inline std::size_t count(const std::string& text, const std::string& part)
/// How often the part, which is not empty, is in the text.
{
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
        ++found;
    return found;
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
