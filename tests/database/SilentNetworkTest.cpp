#include "BackgroundRunFixture.h"
#include "Eventually.h"
#include "StallingProxy.h"

#include <optional>

namespace HangDetection::Test {

class SilentNetworkTest : public BackgroundRunFixture
/// A network that takes what it is given and delivers nothing, so that nobody learns
/// that anything is wrong. The detector's first connection only tries whether the server
/// can be reached; the second one is Poco's, which leaks its memory when it fails. From then on one is enough
/// to connect again.
{
public:
    void setUp() override
    {
        BackgroundRunFixture::setUp();
        _proxy.emplace(server().directory());
        // The last host of a connection string counts.
        settings().connection =
            ConnectionString::parse(connectionString() + " host=" + _proxy->directory().string());
    }

    void tearDown() override
    {
        _proxy.reset();
        BackgroundRunFixture::tearDown();
    }

    CPPUNIT_TEST_SUITE(SilentNetworkTest);
    CPPUNIT_TEST(endsARunWhoseFirstConnectIsNotAnswered);
    CPPUNIT_TEST(endsARunWhoseSecondConnectIsNotAnswered);
    CPPUNIT_TEST(endsARunAfterASilentLogin);
    CPPUNIT_TEST(endsARunWhoseSearchIsNotAnswered);
    CPPUNIT_TEST(endsARunWhoseTerminationIsNotAnswered);
    CPPUNIT_TEST(stopsWhileTheFirstConnectIsNotAnswered);
    CPPUNIT_TEST(stopsWhileTheSecondConnectIsNotAnswered);
    CPPUNIT_TEST(stopsWhileAConnectAfterTheFirstIsNotAnswered);
    CPPUNIT_TEST(connectsOnceToConnectAgain);
    CPPUNIT_TEST(stopsAfterASilentLogin);
    CPPUNIT_TEST(stopsWhileTheSearchIsNotAnswered);
    CPPUNIT_TEST(stopsWhileTheTerminationIsNotAnswered);
    CPPUNIT_TEST_SUITE_END();

    void endsARunWhoseFirstConnectIsNotAnswered()
    {
        useShortRunTimeout();
        _proxy->fallSilentAtConnection(1);
        expectTimeoutInSilence(patience);
    }

    void endsARunWhoseSecondConnectIsNotAnswered()
    {
        useShortRunTimeout();
        allowLeaks();
        _proxy->fallSilentAtConnection(2);
        expectTimeoutInSilence(ConnectionString::connectTimeout + promptly);
    }

    void endsARunAfterASilentLogin()
    {
        useShortRunTimeout();
        _proxy->fallSilentAfterLogin(2);
        expectTimeoutInSilence(patience);
    }

    void endsARunWhoseSearchIsNotAnswered()
    {
        useShortRunTimeout();
        connectDetector();
        _proxy->fallSilentAfterStatement(search);
        expectTimeoutInSilence(patience);
    }

    void endsARunWhoseTerminationIsNotAnswered()
    {
        // The job's id goes from the detector to the server only to terminate the job.
        useShortRunTimeout();
        connectDetector();
        const std::string job = addHungJob();
        _proxy->fallSilentAfterStatement(job);
        expectTimeoutInSilence(patience);
        expectTerminatedOnce(job);
    }

    void stopsWhileTheFirstConnectIsNotAnswered()
    {
        _proxy->fallSilentAtConnection(1);
        expectStoppedInSilence(promptly);
    }

    void stopsWhileTheSecondConnectIsNotAnswered()
    {
        allowLeaks();
        _proxy->fallSilentAtConnection(2);
        expectStoppedInSilence(ConnectionString::connectTimeout + promptly);
    }

    void stopsWhileAConnectAfterTheFirstIsNotAnswered()
    {
        const std::string job = loseConnection();
        _proxy->fallSilentAtConnection(1);
        startRun();
        CPPUNIT_ASSERT(_proxy->waitUntilSilent(patience));
        expectStopped(promptly);
        _proxy->endSilence();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void connectsOnceToConnectAgain()
    {
        const std::string job = loseConnection();
        _proxy->fallSilentAtConnection(2);
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void stopsAfterASilentLogin()
    {
        _proxy->fallSilentAfterLogin(2);
        expectStoppedInSilence(promptly);
    }

    void stopsWhileTheSearchIsNotAnswered()
    {
        connectDetector();
        _proxy->fallSilentAfterStatement(search);
        expectStoppedInSilence(promptly);
    }

    void stopsWhileTheTerminationIsNotAnswered()
    {
        connectDetector();
        const std::string job = addHungJob();
        _proxy->fallSilentAfterStatement(job);
        expectStoppedInSilence(promptly);
        expectTerminatedOnce(job);
    }

    std::string loseConnection()
    /// In a run with one hung job, which stays so.
    {
        const std::string job = addHungJob();
        endSessionsThatTerminate();
        CPPUNIT_ASSERT(tryRun().error);
        endSessionsNoMore();
        return job;
    }

    void expectTimeoutInSilence(std::chrono::milliseconds atMost)
    {
        expectTimeout(atMost);
        CPPUNIT_ASSERT(_proxy->waitUntilSilent(patience));
        expectRunsAfterTheSilence();
    }

    void expectStoppedInSilence(std::chrono::milliseconds atMost)
    {
        startRun();
        CPPUNIT_ASSERT(_proxy->waitUntilSilent(patience));
        expectStopped(atMost);
        expectRunsAfterTheSilence();
    }

    void expectRunsAfterTheSilence()
    {
        _proxy->endSilence();
        run();
        const std::string job = addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void expectTerminatedOnce(const std::string& job)
    /// The server has terminated it, as only the answer was lost, and nobody did again.
    {
        CPPUNIT_ASSERT(eventually(patience, [&] { return isCompleted(job); }));
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, database().logs(job).size());
    }

    /// A part of the statement that finds hung jobs.
    static constexpr const char* search = "ORDER BY random()";

    std::optional<StallingProxy> _proxy;
};

CPPUNIT_TEST_SUITE_REGISTRATION(SilentNetworkTest);

} // namespace HangDetection::Test
