#pragma once

#include "data/Words.h"

#include <cppunit/TestAssert.h>

namespace CppUnit {

/// How CPPUNIT_ASSERT_EQUAL writes what it compares.

template <typename T>
struct assertion_traits<std::optional<T>>
{
    static bool equal(const std::optional<T>& a, const std::optional<T>& b) { return a == b; }

    static std::string toString(const std::optional<T>& value)
    {
        return value ? assertion_traits<T>::toString(*value) : "(none)";
    }
};

template <typename T>
struct assertion_traits<std::vector<T>>
{
    static bool equal(const std::vector<T>& a, const std::vector<T>& b) { return a == b; }

    static std::string toString(const std::vector<T>& values)
    {
        std::string text;
        for (const T& value : values)
            text += (text.empty() ? "" : ", ") + assertion_traits<T>::toString(value);
        return '[' + text + ']';
    }
};

template <typename T>
requires(!HangDetection::words<T>.empty()) struct assertion_traits<T>
{
    static bool equal(T a, T b) { return a == b; }

    static std::string toString(T value) { return std::string(HangDetection::nameOf(value)); }
};

} // namespace CppUnit
