#include "BackgroundRunFixture.h"

#include "OpenTransaction.h"

#include <thread>

namespace HangDetection::Test {

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

} // namespace HangDetection::Test
