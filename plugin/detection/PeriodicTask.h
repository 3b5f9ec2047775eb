#pragma once

#include <Poco/Logger.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

namespace HangDetection {

class PeriodicTask
/// Calls a handler again and again in a thread of its own: once right after start(),
/// then one interval after the last run was due, or sooner when that run asks for it.
/// Runs never overlap: intervals that pass while the handler is busy are left out. Time
/// is that of the monotonic clock, so neither the length of a run nor a change of the
/// time of day makes it drift.
///
/// start(), stop() and waitUntilEnded() may be called from any thread. The thread
/// keeps the handler alive and destroys it when it ends, so a PeriodicTask may be
/// destroyed while its thread is still busy; it is never joined.
{
public:
    using Clock = std::chrono::steady_clock;
    using Milliseconds = std::chrono::milliseconds;

    struct Next
    /// When the run after this one is to come.
    {
        Milliseconds interval;
        /// One interval after this run was due.
        std::optional<Milliseconds> sooner = std::nullopt;
        /// So long after the end of this run, if that is earlier.
    };

    using Handler = std::function<Next(std::stop_token)>;
    /// One run. It is to return soon after stop is requested. An exception ends the
    /// run, is logged, and ends nothing else: the next one comes after the last interval.

    PeriodicTask(Milliseconds interval, Handler handler, Poco::Logger& logger);
    /// The interval counts until the first run has returned.

    ~PeriodicTask();
    /// Stops, without waiting for the thread.

    PeriodicTask(const PeriodicTask&) = delete;
    PeriodicTask& operator=(const PeriodicTask&) = delete;

    void start();
    /// Starts the thread. Call it once. Throws std::system_error when no thread can be had.

    void stop() noexcept;
    /// Tells the thread to end, and returns at once. May come at any time and more than once.

    bool waitUntilEnded(Milliseconds atMost);
    /// True when the thread has ended, or was never started; waits for it at most so long.

    static Clock::time_point nextTick(Clock::time_point due, Milliseconds interval, Clock::time_point now);
    /// The first point later than now that is a number of intervals after a run was due.

private:
    struct State;

    static void loop(State& state);
    static void waitUntilDue(State& state, Clock::time_point due) noexcept;
    static Next runOnce(State& state) noexcept;

    const std::shared_ptr<State> _state;
};

} // namespace HangDetection
