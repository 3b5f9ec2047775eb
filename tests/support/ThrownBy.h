#pragma once

#include <cppunit/TestAssert.h>

#include <string>

namespace HangDetection::Test {

template <typename Exception, typename Action>
Exception thrownBy(Action action, const std::string& name)
/// The exception that the action throws. Fails the test, with this name, when it throws none.
{
    try {
        action();
    } catch (const Exception& exception) {
        return exception;
    }
    CPPUNIT_FAIL("nothing was thrown: " + name);
}

} // namespace HangDetection::Test
