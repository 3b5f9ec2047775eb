#include "ChangedVariable.h"
#include "DatabaseFixture.h"
#include "Rows.h"
#include "StallingProxy.h"
#include "TemporaryDirectory.h"

#include <fcntl.h>
#include <unistd.h>

namespace HangDetection::Test {

class SilentNetworkTest : public DatabaseFixture
/// A network that takes what it is given and delivers nothing, so that nobody learns
/// that anything is wrong.
{
public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        _proxy.emplace(server().directory());
        // The last host of a connection string counts.
        settings().connection =
            ConnectionString::parse(connectionString(detectorRole) + " host=" + _proxy->directory().string());
    }

    void tearDown() override
    {
        _proxy.reset();
        DatabaseFixture::tearDown();
    }

    TEST_SUITE(SilentNetworkTest);

    TEST(endsARunAtItsTimeout)
    /// It leaves nothing behind: the next ones work, and a job that the server has terminated, as only the
    /// answer was lost, is not terminated again.
    {
        struct Silence
        {
            const char* name;
            bool isConnected;
            /// Before the network falls silent.
            std::function<void(const std::string& job)> begin;
        };
        const auto afterStatement = [this](const std::string& part) {
            _proxy->fallSilentAfterStatement(part);
        };
        const std::vector<Silence> silences{
            {"at the connect", false, [this](auto&) { _proxy->fallSilentAtConnection(); }},
            {"after the login", false, [this](auto&) { _proxy->fallSilentAfterLogin(); }},
            {"as the search is prepared", false, [&](auto&) { afterStatement("AS until_next"); }},
            // The second statement that a session prepares.
            {"at the search", true, [&](auto&) { afterStatement("statement_2"); }},
            // A job's id goes from the detector to the server only to terminate the job.
            {"at the termination", true, afterStatement}};
        settings().runTimeout = runTimeout;
        forEachRow(silences, [&](const Silence& silence) {
            forgetDetector();
            if (silence.isConnected)
                connectDetector();
            const std::string job = addHungJob();
            silence.begin(job);
            expectTimeout();
            CPPUNIT_ASSERT(_proxy->waitUntilSilent(patience));
            _proxy->endSilence();
            run();
            const std::string next = addHungJob();
            CPPUNIT_ASSERT_EQUAL(std::vector{next}, run().terminated);
            CPPUNIT_ASSERT(eventually(patience, [&] { return isCompleted(job); }));
            CPPUNIT_ASSERT_EQUAL(std::size_t{5}, database().logs(job).size());
        });
    }

    void expectTimeout()
    {
        const auto start = std::chrono::steady_clock::now();
        startRun();
        const RunStatistics statistics = endOfRun();
        CPPUNIT_ASSERT(std::chrono::steady_clock::now() - start >= runTimeout);
        CPPUNIT_ASSERT(statistics.error);
        CPPUNIT_ASSERT_EQUAL(std::string("RunTimeout of 2s has passed"), statistics.error->cause);
        // As it is not the time that is short.
        CPPUNIT_ASSERT_EQUAL(std::string(), statistics.error->sqlState);
        CPPUNIT_ASSERT_MESSAGE(statistics.error->advice, statistics.error->advice.starts_with(
                                                             "check Connection in hang_detector.conf"));
        CPPUNIT_ASSERT(!statistics.stopped);
        CPPUNIT_ASSERT(statistics.terminated.empty());
    }

    TEST(triesTheNextHostOfAService)
    /// After one that does not answer.
    {
        const TemporaryDirectory directory;
        const ChangedVariable file(
            "PGSERVICEFILE", directory.write("services", "[coder]\nhost=" + _proxy->directory().string() +
                                                             ',' + server().directory().string() +
                                                             "\nconnect_timeout=1\ndbname=" + databaseName() +
                                                             "\nuser=" + detectorRole + '\n'));
        settings().connection = ConnectionString::parse("service=coder");
        const std::string job = addHungJob();
        _proxy->fallSilentAtConnection();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        CPPUNIT_ASSERT(_proxy->waitUntilSilent(patience));
    }

    TEST(printsNoFarewellOfTheServerThatComesWithTheLogin)
    {
        const TemporaryDirectory directory;
        _proxy->fallSilentAfterStatement("application_name"); // which is said to log in
        const int file = open((directory.path() / "stderr").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        const int kept = dup(STDERR_FILENO);
        CPPUNIT_ASSERT(file >= 0 && kept >= 0 && dup2(file, STDERR_FILENO) >= 0);
        {
            const std::shared_ptr<void> redirected(nullptr, [&](void*) {
                dup2(kept, STDERR_FILENO);
                close(kept);
                close(file);
            });
            startRun();
            CPPUNIT_ASSERT(_proxy->waitUntilSilent(patience));
            CPPUNIT_ASSERT(eventually(patience, [this] { return backendOfDetector().has_value(); }));
            CPPUNIT_ASSERT_EQUAL(Text("1"), endSessionOfDetector());
            _proxy->endSilence();
            CPPUNIT_ASSERT(endOfRun().error);
        }
        CPPUNIT_ASSERT_EQUAL(std::string(), directory.read("stderr"));
    }

    static constexpr std::chrono::seconds runTimeout{2};
    /// Long enough for a run on a slow machine that nothing holds.

    std::optional<StallingProxy> _proxy;
};

} // namespace HangDetection::Test
