#include "BackgroundRunFixture.h"

#include "OpenTransaction.h"

#include <string>
#include <thread>

namespace HangDetection::Test {

using Clock = std::chrono::steady_clock;

void BackgroundRunFixture::tearDown()
{
    _running = {};
    DatabaseFixture::tearDown();
}

void BackgroundRunFixture::startRun()
{
    _running = std::async(std::launch::async, [this] { return tryRun(_stop.get_token()); });
}

void BackgroundRunFixture::runWithASlowSearch()
{
    OpenTransaction migration(connectionString(), "LOCK TABLE provisioner_jobs IN ACCESS EXCLUSIVE MODE");
    startRun();
    awaitWaitingForLock();
    std::this_thread::sleep_for(std::chrono::milliseconds(60)); // what makes a search a slow one
    migration.commit();
    CPPUNIT_ASSERT(!endOfRun().error);
}

RunStatistics BackgroundRunFixture::endOfRun()
{
    CPPUNIT_ASSERT_MESSAGE("the run did not end", _running.wait_for(patience) == std::future_status::ready);
    return _running.get();
}

void BackgroundRunFixture::expectTimeout()
{
    const auto start = Clock::now();
    startRun();
    const RunStatistics statistics = endOfRun();
    const auto took = Clock::now() - start;
    CPPUNIT_ASSERT(statistics.error);
    CPPUNIT_ASSERT_EQUAL(std::string("RunTimeout of 2s has passed"), statistics.error->cause);
    // Of a server that answers the cancel; otherwise it is not the time that is short.
    const std::string advice =
        statistics.error->sqlState.empty() ? "check Connection in hang_detector.conf" : "raise RunTimeout";
    CPPUNIT_ASSERT_MESSAGE(statistics.error->advice, statistics.error->advice.starts_with(advice));
    CPPUNIT_ASSERT(!statistics.stopped);
    CPPUNIT_ASSERT(statistics.terminated.empty());
    CPPUNIT_ASSERT(took >= shortRunTimeout);
}

void BackgroundRunFixture::expectStopped(std::chrono::milliseconds atMost)
{
    const auto start = Clock::now();
    requestStop();
    const RunStatistics statistics = endOfRun();
    const auto took = Clock::now() - start;
    CPPUNIT_ASSERT(statistics.stopped);
    CPPUNIT_ASSERT(!statistics.error);
    CPPUNIT_ASSERT(statistics.terminated.empty());
    CPPUNIT_ASSERT(took < atMost);
    _stop = {};
}

} // namespace HangDetection::Test
