#pragma once

#include "data/Job.h"
#include "notification/Names.h"

#include <cppunit/TestAssert.h>

#include <optional>
#include <string>
#include <vector>

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

template <>
struct assertion_traits<HangDetection::Outcome>
{
    using Outcome = HangDetection::Outcome;

    static bool equal(Outcome a, Outcome b) { return a == b; }

    static std::string toString(Outcome outcome)
    {
        if (outcome == Outcome::terminated)
            return "terminated";
        if (outcome == Outcome::failed)
            return "failed";
        return HangDetection::causeOf(outcome);
    }
};

template <>
struct assertion_traits<HangDetection::Reason>
{
    using Reason = HangDetection::Reason;

    static bool equal(Reason a, Reason b) { return a == b; }

    static std::string toString(Reason reason) { return HangDetection::nameOf(reason); }
};

template <>
struct assertion_traits<HangDetection::BuildState>
{
    using BuildState = HangDetection::BuildState;

    static bool equal(BuildState a, BuildState b) { return a == b; }

    static std::string toString(BuildState state)
    {
        switch (state) {
        case BuildState::none:
            return "none";
        case BuildState::kept:
            return "kept";
        case BuildState::copied:
            break;
        }
        return "copied";
    }
};

} // namespace CppUnit
