#include "detection/PeriodicTask.h"

#include "Eventually.h"
#include "Printing.h"
#include "RecordingLogger.h"
#include "Suite.h"

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <pthread.h>
#include <stdexcept>
#include <sys/resource.h>

namespace HangDetection::Test {

using namespace std::chrono_literals;
using Clock = PeriodicTask::Clock;
using Milliseconds = PeriodicTask::Milliseconds;

namespace {

/// Long enough for a machine with much else to do; nothing waits for it in vain.
constexpr Milliseconds patience = 20s;

class Runs
/// The starts of the runs of a task, to be waited for.
{
public:
    void record()
    {
        {
            const std::lock_guard lock(_mutex);
            _starts.push_back(Clock::now());
        }
        _changed.notify_all();
    }

    std::vector<Clock::time_point> waitFor(std::size_t count)
    {
        std::unique_lock lock(_mutex);
        CPPUNIT_ASSERT(_changed.wait_for(lock, patience, [&] { return _starts.size() >= count; }));
        return _starts;
    }

    std::size_t count()
    {
        const std::lock_guard lock(_mutex);
        return _starts.size();
    }

private:
    std::mutex _mutex;
    std::condition_variable _changed;
    std::vector<Clock::time_point> _starts;
};

} // namespace

class PeriodicTaskTest : public CppUnit::TestFixture
{
    TEST_SUITE(PeriodicTaskTest);

    PeriodicTask task(Milliseconds interval, const PeriodicTask::Handler& handler)
    /// Its runs are recorded.
    {
        const auto recorded = [this, handler](const std::stop_token& stop) {
            _runs.record();
            return handler(stop);
        };
        return {interval, recorded, _log.logger()};
    }

    std::vector<Clock::time_point> startsOf(std::size_t runs, Milliseconds interval,
                                            const PeriodicTask::Handler& handler)
    /// Of so many runs at least.
    {
        PeriodicTask periodic = task(interval, handler);
        periodic.start();
        const auto starts = _runs.waitFor(runs);
        periodic.stop();
        assertEnds(periodic);
        return starts;
    }

    static void assertEnds(PeriodicTask& task) { CPPUNIT_ASSERT(task.waitUntilEnded(patience)); }

    TEST(runsOnceAndStopsAtOnceWhileItWaits)
    {
        Clock::duration fastest = 1h;
        for (std::size_t i = 1; i <= 5; ++i) {
            PeriodicTask periodic =
                task(1h, [](const std::stop_token&) -> PeriodicTask::Next { return {1h}; });
            periodic.start();
            _runs.waitFor(i);
            const auto asked = Clock::now();
            periodic.stop();
            assertEnds(periodic);
            fastest = std::min(fastest, Clock::now() - asked);
        }
        CPPUNIT_ASSERT(fastest < 100ms);
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, _runs.count());
    }

    TEST(neverOverlapsAndLeavesOutTicksThatItMissed)
    {
        const auto start = Clock::now();
        const auto starts = startsOf(3, 100ms, [this](const std::stop_token&) -> PeriodicTask::Next {
            if (_runs.count() == 1)
                std::this_thread::sleep_for(350ms);
            return {100ms};
        });
        // A run that overlapped would come after 100 ms, and ticks that were made up for after 350 ms.
        CPPUNIT_ASSERT(starts[1] - start >= 400ms);
        CPPUNIT_ASSERT(starts[2] - start >= 500ms);
    }

    TEST(leavesOutTheIntervalsThatHavePassed)
    {
        const Clock::time_point start{1000s};
        CPPUNIT_ASSERT(PeriodicTask::nextTick(start, 60s, start) == start + 60s);
        CPPUNIT_ASSERT(PeriodicTask::nextTick(start, 60s, start + 1ms) == start + 60s);
        CPPUNIT_ASSERT(PeriodicTask::nextTick(start, 60s, start + 59'999ms) == start + 60s);
        CPPUNIT_ASSERT(PeriodicTask::nextTick(start, 60s, start + 60s) == start + 120s);
        CPPUNIT_ASSERT(PeriodicTask::nextTick(start, 60s, start + 200s) == start + 240s);
    }

    TEST(doesNotDriftByTheLengthOfItsRuns)
    {
        const auto starts = startsOf(16, 100ms, [](const std::stop_token&) -> PeriodicTask::Next {
            std::this_thread::sleep_for(5ms);
            return {100ms};
        });
        // Drifting, a run would begin 35 ms or more behind the tick of the seventh one before it. One pair
        // that the machine let begin on time is enough.
        constexpr std::size_t apart = 7;
        Clock::duration nearest = 1h;
        for (std::size_t i = apart; i < starts.size(); ++i) {
            const auto behind = (starts[i] - starts[i - apart]) % 100ms;
            nearest = std::min<Clock::duration>({nearest, behind, 100ms - behind});
        }
        CPPUNIT_ASSERT(nearest < 20ms);
    }

    TEST(countsTheIntervalFromARunThatCameEarlier)
    {
        const auto starts = startsOf(3, 1h, [this](const std::stop_token&) -> PeriodicTask::Next {
            if (_runs.count() == 1)
                return {.interval = 1h, .sooner = 600ms};
            return {1s};
        });
        CPPUNIT_ASSERT(starts[1] - starts[0] >= 600ms);
        CPPUNIT_ASSERT(starts[2] - starts[0] >= 1600ms);
    }

    TEST(takesTheIntervalOfARunAndRunsNoLater)
    {
        startsOf(4, 1h, [](const std::stop_token&) -> PeriodicTask::Next {
            return {.interval = 10ms, .sooner = 1h};
        });
    }

    TEST(mayBeStoppedTwiceAndBeforeItsStart)
    {
        PeriodicTask periodic = task(1ms, [](const std::stop_token&) -> PeriodicTask::Next { return {1ms}; });
        periodic.stop();
        periodic.stop();
        CPPUNIT_ASSERT(periodic.waitUntilEnded(0ms));
        periodic.start();
        assertEnds(periodic);
        periodic.stop();
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, _runs.count());
    }

    TEST(mayBeDestroyedWhileARunIsBusy)
    /// Its thread owns the handler, and destroys it in the end.
    {
        const auto isReleased = std::make_shared<std::atomic<bool>>(false);
        {
            PeriodicTask periodic = task(1h, [isReleased](const std::stop_token&) -> PeriodicTask::Next {
                isReleased->wait(false);
                return {1h};
            });
            periodic.start();
            _runs.waitFor(1);
        }
        const bool wasBusy = isReleased.use_count() > 1;
        *isReleased = true;
        isReleased->notify_all();
        CPPUNIT_ASSERT(wasBusy);
        CPPUNIT_ASSERT(eventually(patience, [&] { return isReleased.use_count() == 1; }));
    }

    TEST(goesOnAfterAnException)
    {
        std::atomic<int> number = 0;
        startsOf(5, 5ms, [&](const std::stop_token&) -> PeriodicTask::Next {
            switch (number++) {
            case 0:
                throw std::runtime_error("first");
            case 1:
                throw Poco::TimeoutException("second");
            case 2:
                throw 3; // NOLINT(hicpp-exception-baseclass): anything may be thrown
            default:
                return {5ms};
            }
        });
        const std::string line = "error: run ended by an unexpected error";
        CPPUNIT_ASSERT_EQUAL((std::vector<std::string>{line + ": first", line + ": Timeout", line}),
                             _log.lines());
    }

    TEST(blocksAllSignalsAndGivesWayToTheThreadsOfItsHost)
    {
        const int host = getpriority(PRIO_PROCESS, 0);
        std::atomic<int> priority = host;
        std::atomic<int> unblocked = -1;
        startsOf(1, 1h, [&](const std::stop_token&) -> PeriodicTask::Next {
            priority = getpriority(PRIO_PROCESS, 0);
            sigset_t blocked;
            pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
            unblocked = 0;
            for (const int number :
                 {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE, SIGCHLD, SIGALRM})
                unblocked += sigismember(&blocked, number) == 1 ? 0 : 1;
            return {1h};
        });
        CPPUNIT_ASSERT_EQUAL(0, unblocked.load());
        // A larger number is a lower priority.
        CPPUNIT_ASSERT_GREATER(host, priority.load());
        // The thread that starts the task keeps its own.
        sigset_t own;
        pthread_sigmask(SIG_SETMASK, nullptr, &own);
        CPPUNIT_ASSERT_EQUAL(0, sigismember(&own, SIGTERM));
        CPPUNIT_ASSERT_EQUAL(host, getpriority(PRIO_PROCESS, 0));
    }

    RecordingLogger _log;
    Runs _runs;
};

} // namespace HangDetection::Test
