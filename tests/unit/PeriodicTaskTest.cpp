#include "detection/PeriodicTask.h"

#include "RecordingLogger.h"

#include <Poco/Exception.h>
#include <cppunit/extensions/HelperMacros.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <memory>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <stdexcept>
#include <sys/resource.h>
#include <vector>

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
    CPPUNIT_TEST_SUITE(PeriodicTaskTest);
    CPPUNIT_TEST(runsRightAfterItsStart);
    CPPUNIT_TEST(runsAgainAfterEachInterval);
    CPPUNIT_TEST(neverOverlapsAndLeavesOutTicksThatItMissed);
    CPPUNIT_TEST(leavesOutTheIntervalsThatHavePassed);
    CPPUNIT_TEST(doesNotDriftByTheLengthOfItsRuns);
    CPPUNIT_TEST(runsEarlierWhenARunAsksForIt);
    CPPUNIT_TEST(countsTheIntervalFromARunThatCameEarlier);
    CPPUNIT_TEST(doesNotRunLaterWhenARunAsksForIt);
    CPPUNIT_TEST(takesTheIntervalThatARunAsksFor);
    CPPUNIT_TEST(stopsAtOnceWhileItWaits);
    CPPUNIT_TEST(tellsABusyRunToStop);
    CPPUNIT_TEST(mayBeStoppedTwiceAndBeforeItsStart);
    CPPUNIT_TEST(mayBeDestroyedWhileARunIsBusy);
    CPPUNIT_TEST(destroysItsHandlerInItsThread);
    CPPUNIT_TEST(goesOnAfterAnException);
    CPPUNIT_TEST(blocksAllSignals);
    CPPUNIT_TEST(givesWayToTheThreadsOfItsHost);
    CPPUNIT_TEST_SUITE_END();

    PeriodicTask task(Milliseconds interval, PeriodicTask::Handler handler)
    {
        return {interval, std::move(handler), _log.logger()};
    }

    PeriodicTask::Handler counting(Milliseconds interval)
    {
        return [this, interval](const std::stop_token&) -> PeriodicTask::Next {
            _runs.record();
            return {interval};
        };
    }

    static void assertEnds(PeriodicTask& task) { CPPUNIT_ASSERT(task.waitUntilEnded(patience)); }

    void runsRightAfterItsStart()
    {
        PeriodicTask periodic = task(1h, counting(1h));
        periodic.start();
        _runs.waitFor(1);
        periodic.stop();
        assertEnds(periodic);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, _runs.count());
    }

    void runsAgainAfterEachInterval()
    {
        PeriodicTask periodic = task(20ms, counting(20ms));
        const auto start = Clock::now();
        periodic.start();
        const auto starts = _runs.waitFor(6);
        periodic.stop();
        assertEnds(periodic);
        // A tick may come late, never early.
        for (std::size_t i = 1; i < starts.size(); ++i)
            CPPUNIT_ASSERT(starts[i] - start >= static_cast<int>(i) * 20ms);
    }

    void neverOverlapsAndLeavesOutTicksThatItMissed()
    {
        std::atomic<int> busy = 0;
        std::atomic<bool> hasOverlapped = false;
        PeriodicTask periodic = task(100ms, [&](const std::stop_token&) -> PeriodicTask::Next {
            if (++busy > 1)
                hasOverlapped = true;
            _runs.record();
            if (_runs.count() == 1)
                std::this_thread::sleep_for(350ms);
            --busy;
            return {100ms};
        });
        const auto start = Clock::now();
        periodic.start();
        const auto starts = _runs.waitFor(3);
        periodic.stop();
        assertEnds(periodic);
        CPPUNIT_ASSERT(!hasOverlapped);
        // Ticks that were made up for would all come at once, after 350 ms.
        CPPUNIT_ASSERT(starts[1] - start >= 400ms);
        CPPUNIT_ASSERT(starts[2] - start >= 500ms);
    }

    void leavesOutTheIntervalsThatHavePassed()
    {
        const Clock::time_point start{1000s};
        CPPUNIT_ASSERT(PeriodicTask::nextTick(start, 60s, start) == start + 60s);
        CPPUNIT_ASSERT(PeriodicTask::nextTick(start, 60s, start + 1ms) == start + 60s);
        CPPUNIT_ASSERT(PeriodicTask::nextTick(start, 60s, start + 59'999ms) == start + 60s);
        CPPUNIT_ASSERT(PeriodicTask::nextTick(start, 60s, start + 60s) == start + 120s);
        CPPUNIT_ASSERT(PeriodicTask::nextTick(start, 60s, start + 200s) == start + 240s);
        // A hundred thousand runs, each a little late, do not drift.
        auto now = start;
        for (int i = 0; i < 100'000; ++i)
            now = PeriodicTask::nextTick(start, 60s, now + 7ms);
        CPPUNIT_ASSERT(now == start + 100'000 * 60s);
    }

    void doesNotDriftByTheLengthOfItsRuns()
    {
        PeriodicTask periodic = task(100ms, [this](const std::stop_token&) -> PeriodicTask::Next {
            _runs.record();
            std::this_thread::sleep_for(5ms);
            return {100ms};
        });
        periodic.start();
        const auto starts = _runs.waitFor(16);
        periodic.stop();
        assertEnds(periodic);
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

    void runsEarlierWhenARunAsksForIt()
    {
        PeriodicTask periodic = task(1h, [this](const std::stop_token&) -> PeriodicTask::Next {
            _runs.record();
            return {.interval = 1h, .sooner = 10ms};
        });
        periodic.start();
        const auto starts = _runs.waitFor(3);
        periodic.stop();
        assertEnds(periodic);
        CPPUNIT_ASSERT(starts[1] - starts[0] >= 10ms);
    }

    void countsTheIntervalFromARunThatCameEarlier()
    {
        PeriodicTask periodic = task(1s, [this](const std::stop_token&) -> PeriodicTask::Next {
            _runs.record();
            if (_runs.count() == 1)
                return {.interval = 1s, .sooner = 600ms};
            return {1s};
        });
        periodic.start();
        const auto starts = _runs.waitFor(3);
        periodic.stop();
        assertEnds(periodic);
        CPPUNIT_ASSERT(starts[2] - starts[0] >= 1600ms);
    }

    void doesNotRunLaterWhenARunAsksForIt()
    {
        PeriodicTask periodic = task(10ms, [this](const std::stop_token&) -> PeriodicTask::Next {
            _runs.record();
            return {.interval = 10ms, .sooner = 1h};
        });
        periodic.start();
        _runs.waitFor(3);
        periodic.stop();
        assertEnds(periodic);
    }

    void takesTheIntervalThatARunAsksFor()
    {
        PeriodicTask shorter = task(10ms, counting(1h));
        shorter.start();
        _runs.waitFor(1);
        // Nothing tells that nothing happens; some of the old intervals have to do.
        std::this_thread::sleep_for(200ms);
        shorter.stop();
        assertEnds(shorter);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, _runs.count());

        PeriodicTask longer = task(1h, counting(10ms));
        longer.start();
        _runs.waitFor(4);
        longer.stop();
        assertEnds(longer);
    }

    void stopsAtOnceWhileItWaits()
    {
        Clock::duration fastest = 1h;
        for (std::size_t i = 1; i <= 5; ++i) {
            PeriodicTask periodic = task(1h, counting(1h));
            periodic.start();
            _runs.waitFor(i);
            const auto asked = Clock::now();
            periodic.stop();
            assertEnds(periodic);
            fastest = std::min(fastest, Clock::now() - asked);
        }
        CPPUNIT_ASSERT(fastest < 100ms);
    }

    void tellsABusyRunToStop()
    {
        PeriodicTask periodic = task(1h, [this](const std::stop_token& stop) -> PeriodicTask::Next {
            _runs.record();
            std::mutex mutex;
            std::unique_lock lock(mutex);
            std::condition_variable_any().wait(lock, stop, [] { return false; });
            return {1h};
        });
        periodic.start();
        _runs.waitFor(1);
        periodic.stop();
        assertEnds(periodic);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, _runs.count());
    }

    void mayBeStoppedTwiceAndBeforeItsStart()
    {
        PeriodicTask periodic = task(1ms, counting(1ms));
        periodic.stop();
        periodic.stop();
        CPPUNIT_ASSERT(periodic.waitUntilEnded(0ms));
        periodic.start();
        assertEnds(periodic);
        periodic.stop();
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, _runs.count());
    }

    void mayBeDestroyedWhileARunIsBusy()
    {
        // What the handler uses belongs to it, as nobody waits for its thread.
        struct Shared
        {
            std::mutex mutex;
            std::condition_variable changed;
            bool isReleased = false;
            bool hasEnded = false;
        };

        const auto shared = std::make_shared<Shared>();
        {
            PeriodicTask periodic = task(1h, [this, shared](const std::stop_token&) -> PeriodicTask::Next {
                _runs.record();
                std::unique_lock lock(shared->mutex);
                shared->changed.wait_for(lock, patience, [&] { return shared->isReleased; });
                shared->hasEnded = true;
                shared->changed.notify_all();
                return {1h};
            });
            periodic.start();
            _runs.waitFor(1);
        }
        std::unique_lock lock(shared->mutex);
        CPPUNIT_ASSERT(!shared->hasEnded);
        shared->isReleased = true;
        shared->changed.notify_all();
        CPPUNIT_ASSERT(shared->changed.wait_for(lock, patience, [&] { return shared->hasEnded; }));
    }

    void destroysItsHandlerInItsThread()
    {
        const auto owned = std::make_shared<int>(0);
        const std::weak_ptr<int> observed = owned;
        PeriodicTask periodic = task(1h, [this, owned = owned](const std::stop_token&) -> PeriodicTask::Next {
            _runs.record();
            return {1h};
        });
        periodic.start();
        _runs.waitFor(1);
        periodic.stop();
        assertEnds(periodic);
        CPPUNIT_ASSERT_EQUAL(1L, observed.use_count());
    }

    void goesOnAfterAnException()
    {
        std::atomic<int> number = 0;
        PeriodicTask periodic = task(5ms, [&](const std::stop_token&) -> PeriodicTask::Next {
            _runs.record();
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
        periodic.start();
        _runs.waitFor(5);
        periodic.stop();
        assertEnds(periodic);
        const auto lines = _log.lines();
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, lines.size());
        CPPUNIT_ASSERT_EQUAL(std::string("error: run ended by an unexpected error: first"), lines[0]);
        CPPUNIT_ASSERT_EQUAL(std::string("error: run ended by an unexpected error: Timeout"), lines[1]);
        CPPUNIT_ASSERT_EQUAL(std::string("error: run ended by an unexpected error"), lines[2]);
    }

    void blocksAllSignals()
    {
        std::atomic<int> unblocked = -1;
        PeriodicTask periodic = task(1h, [&](const std::stop_token&) -> PeriodicTask::Next {
            sigset_t blocked;
            pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
            unblocked = 0;
            for (const int number :
                 {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE, SIGCHLD, SIGALRM})
                unblocked += sigismember(&blocked, number) == 1 ? 0 : 1;
            _runs.record();
            return {1h};
        });
        periodic.start();
        _runs.waitFor(1);
        periodic.stop();
        assertEnds(periodic);
        CPPUNIT_ASSERT_EQUAL(0, unblocked.load());
        // The thread that starts the task keeps its own signals.
        sigset_t own;
        pthread_sigmask(SIG_SETMASK, nullptr, &own);
        CPPUNIT_ASSERT_EQUAL(0, sigismember(&own, SIGTERM));
    }

    void givesWayToTheThreadsOfItsHost()
    {
        const int host = getpriority(PRIO_PROCESS, 0);
        std::atomic<int> own = host;
        PeriodicTask periodic = task(1h, [&](const std::stop_token&) -> PeriodicTask::Next {
            own = getpriority(PRIO_PROCESS, 0);
            _runs.record();
            return {1h};
        });
        periodic.start();
        _runs.waitFor(1);
        periodic.stop();
        assertEnds(periodic);
        // A larger number is a lower priority.
        CPPUNIT_ASSERT_GREATER(host, own.load());
        CPPUNIT_ASSERT_EQUAL(host, getpriority(PRIO_PROCESS, 0));
    }

    RecordingLogger _log;
    Runs _runs;
};

CPPUNIT_TEST_SUITE_REGISTRATION(PeriodicTaskTest);

} // namespace HangDetection::Test
