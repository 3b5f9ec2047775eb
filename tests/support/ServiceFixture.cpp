#include "ServiceFixture.h"

namespace HangDetection::Test {

void ServiceFixture::tearDown()
{
    bool hasEnded = true;
    if (_service) {
        _service->stop();
        hasEnded = _service->waitUntilEnded(patience);
    }
    _service.reset();
    DatabaseFixture::tearDown();
    CPPUNIT_ASSERT_MESSAGE("the service did not stop", hasEnded);
}

void ServiceFixture::writeSettings(const std::string& connection, const std::string& settings)
{
    _directory.write("hang_detector.conf", "Connection=" + connection + '\n' + settings);
}

void ServiceFixture::stopService()
{
    service().stop();
    CPPUNIT_ASSERT(service().waitUntilEnded(patience));
}

std::string ServiceFixture::log() const
{
    std::string text;
    for (const std::string& line : _log.lines())
        text += '\n' + line;
    return text;
}

void ServiceFixture::awaitLine(const std::string& start)
{
    if (!eventually(patience, [&] { return logContains('\n' + start); }))
        CPPUNIT_FAIL(start + log());
}

void ServiceFixture::awaitTerminated(const std::string& job)
{
    await([&] { return isCompleted(job); });
    awaitLine("information: job terminated job_id=" + job);
}

void ServiceFixture::awaitRunsFinished(std::size_t count)
{
    await([&] { return runsFinished() >= count; });
}

void ServiceFixture::expectNoMoreRunsThan(std::size_t count, std::chrono::milliseconds time)
{
    if (eventually(time, [&] { return runsFinished() > count; }))
        CPPUNIT_FAIL(log());
}

std::size_t ServiceFixture::runsFinished() const
{
    return count(log(), "run finished");
}

} // namespace HangDetection::Test
