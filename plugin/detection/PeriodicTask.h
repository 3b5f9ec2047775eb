#pragma once

#include <Poco/Logger.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

namespace HangDetection {

class PeriodicTask
/// Calls a handler again and again in its own thread. The first run comes right after start(). The next run
/// comes one interval after the last run was due, or sooner when the last run asks for it. Runs never
/// overlap: an interval that passes while the handler is busy is left out. The clock is monotonic. So neither
/// the length of a run nor a change of the time of day shifts the runs.
///
/// Any thread may call start(), stop() and waitUntilEnded(). The task's thread owns the handler, and destroys
/// it when it ends. So a PeriodicTask may be destroyed while its thread is still busy. The thread is never
/// joined.
{
public:
    using Clock = std::chrono::steady_clock;
    using Milliseconds = std::chrono::milliseconds;

    struct Next
    /// When the next run comes.
    {
        Milliseconds interval;
        /// The next run comes one interval after this run was due.
        std::optional<Milliseconds> sooner = std::nullopt;
        /// The next run comes so long after the end of this run, if that is earlier.
    };

    using Handler = std::function<Next(std::stop_token)>;
    /// One run. It must return soon after a stop is requested. An exception ends this run only, and is
    /// logged. The next run then comes after the last interval.

    PeriodicTask(Milliseconds interval, Handler handler, Poco::Logger& logger);
    /// The interval counts until the first run has returned another one.

    ~PeriodicTask();
    /// Stops the thread, and does not wait for it.

    PeriodicTask(const PeriodicTask&) = delete;
    PeriodicTask& operator=(const PeriodicTask&) = delete;

    void start();
    /// Starts the thread. Call it once. Throws std::system_error when no thread can be started.

    void stop() noexcept;
    /// Asks the thread to end, and returns at once. May be called at any time, and more than once.

    bool waitUntilEnded(Milliseconds atMost);
    /// True when the thread has ended or was never started. Waits at most so long for it.

    static Clock::time_point nextTick(Clock::time_point due, Milliseconds interval, Clock::time_point now);
    /// The first time after now that is a whole number of intervals after a run was due.

private:
    struct State;

    static void loop(State& state);
    static void waitUntilDue(State& state, Clock::time_point due) noexcept;
    static Next runOnce(State& state) noexcept;

    const std::shared_ptr<State> _state;
};

} // namespace HangDetection
