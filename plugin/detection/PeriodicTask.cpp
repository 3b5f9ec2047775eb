#include "PeriodicTask.h"

#include "SignalFreeThread.h"
#include "notification/LogLine.h"

#include <Poco/AutoPtr.h>
#include <Poco/Event.h>
#include <Poco/Notification.h>
#include <Poco/NotificationQueue.h>

#include <algorithm>
#include <exception>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <utility>

namespace HangDetection {

namespace {

class Stop : public Poco::Notification
/// Wakes the thread, so that it ends. NotificationQueue::wakeUpAll() would miss a thread that is just about
/// to wait. A notification stays in the queue until the thread takes it.
{};

void giveWay() noexcept
/// Lowers the priority of this thread, so that slurmctld's own threads come first when there are too few
/// processors. On Linux this changes only this thread, and the threads that it starts.
{
    constexpr int politeness = 10;
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + politeness);
}

} // namespace

struct PeriodicTask::State
{
    State(Milliseconds firstInterval, Handler runHandler, Poco::Logger& runLogger)
        : interval(firstInterval), handler(std::move(runHandler)), logger(runLogger)
    {}

    Milliseconds interval;
    /// Only the task's thread changes it.
    Handler handler;
    Poco::Logger& logger;
    std::stop_source stop;
    Poco::NotificationQueue queue;
    Poco::Event ended{Poco::Event::EVENT_MANUALRESET};
};

PeriodicTask::PeriodicTask(Milliseconds interval, Handler handler, Poco::Logger& logger)
    : _state(std::make_shared<State>(interval, std::move(handler), logger))
{
    _state->ended.set();
}

PeriodicTask::~PeriodicTask()
{
    stop();
}

void PeriodicTask::start()
{
    _state->ended.reset();
    try {
        signalFreeThread("hang_detector", [state = _state] {
            giveWay();
            loop(*state);
            state->handler = nullptr;
            state->ended.set();
        }).detach();
    } catch (...) {
        _state->ended.set();
        throw;
    }
}

void PeriodicTask::stop() noexcept
{
    try {
        if (_state->stop.request_stop())
            _state->queue.enqueueUrgentNotification(new Stop);
    } catch (...) {
        // Out of memory. The thread still sees the stop when its next run is due.
    }
}

bool PeriodicTask::waitUntilEnded(Milliseconds atMost)
{
    return _state->ended.tryWait(static_cast<long>(atMost.count()));
}

PeriodicTask::Clock::time_point PeriodicTask::nextTick(Clock::time_point due, Milliseconds interval,
                                                       Clock::time_point now)
{
    return due + ((now - due) / interval + 1) * interval;
}

void PeriodicTask::loop(State& state)
{
    auto due = Clock::now();
    while (true) {
        waitUntilDue(state, due);
        if (state.stop.stop_requested())
            return;

        const Next next = runOnce(state);
        state.interval = next.interval;
        const auto now = Clock::now();
        due = nextTick(due, state.interval, now);
        if (next.sooner)
            due = std::min(due, now + *next.sooner);
    }
}

void PeriodicTask::waitUntilDue(State& state, Clock::time_point due) noexcept
{
    do {
        try {
            // Rounded up: otherwise the loop would not wait at all for the last part of a millisecond.
            const auto wait = std::max(std::chrono::ceil<Milliseconds>(due - Clock::now()), Milliseconds(0));
            const Poco::AutoPtr<Poco::Notification> notification(
                state.queue.waitDequeueNotification(static_cast<long>(wait.count())));
            if (!notification.isNull())
                return;
        } catch (const std::exception&) {
            // Out of memory. There may be some a little later.
            std::this_thread::sleep_for(Milliseconds(100));
        }
    } while (Clock::now() < due && !state.stop.stop_requested());
}

PeriodicTask::Next PeriodicTask::runOnce(State& state) noexcept
{
    try {
        try {
            return state.handler(state.stop.get_token());
        } catch (const std::exception& exception) {
            state.logger.error("run ended by an unexpected error: " + shortened(exception.what()));
        } catch (...) {
            state.logger.error("run ended by an unexpected error");
        }
    } catch (...) {
        // Logging failed, too. The next run tries again.
    }
    return {state.interval};
}

} // namespace HangDetection
