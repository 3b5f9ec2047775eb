#pragma once

#include <algorithm>
#include <chrono>
#include <stop_token>

namespace Libpq {

struct WaitLimit
/// When a wait for an answer ends without one. The default is never.
{
    using Clock = std::chrono::steady_clock;

    std::stop_token stop = {};
    Clock::time_point deadline = Clock::time_point::max();

    bool isReached() const { return stop.stop_requested() || Clock::now() >= deadline; }

    WaitLimit within(Clock::duration time) const { return {stop, std::min(deadline, Clock::now() + time)}; }
    /// The same limit, but no later than this time from now.
};

} // namespace Libpq
