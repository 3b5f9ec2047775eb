#pragma once

#include "CurrentTest.h"
#include "Figure.h"

#include <cppunit/TestAssert.h>

#include <chrono>

namespace HangDetection::Test {

/// In which the plugin stops, whatever state it is in. At the end of the process it waits no longer.
constexpr std::chrono::milliseconds promisedStop{2000};

template <typename Stop>
std::chrono::milliseconds stopInTime(Stop stop)
/// The plugin stops in the time that is promised. `stop` brings about a state, stops the plugin in it,
/// and returns how long that took. One of three tries has to be in time, as a busy machine can hold up
/// any single one; what takes too long by itself does so each time. Returns the time of that one.
{
    constexpr int tries = 3;
    std::chrono::milliseconds took{0};
    for (int i = 0; i < tries; ++i) {
        took = stop();
        if (took < promisedStop)
            return took;
        figure() << CurrentTest::name() << " stopped after " << took.count() << " ms\n";
    }
    CPPUNIT_FAIL("each of " + std::to_string(tries) + " stops took " + std::to_string(promisedStop.count()) +
                 " ms or longer, the last one " + std::to_string(took.count()));
    return took;
}

} // namespace HangDetection::Test
