#pragma once

#include <chrono>
#include <thread>

namespace HangDetection::Test {

template <typename Condition>
bool eventually(std::chrono::milliseconds atMost, Condition condition)
/// Asks again and again until the condition holds, at most for so long. For events that
/// cannot be waited for, such as a line in another program's log. True when it holds.
{
    constexpr std::chrono::milliseconds pause{10};
    const auto until = std::chrono::steady_clock::now() + atMost;
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= until)
            return false;
        std::this_thread::sleep_for(pause);
    }
    return true;
}

} // namespace HangDetection::Test
