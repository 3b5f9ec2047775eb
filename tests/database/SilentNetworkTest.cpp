#include "BackgroundRunFixture.h"
#include "ChangedVariable.h"
#include "Eventually.h"
#include "ProcessState.h"
#include "Rows.h"
#include "StallingProxy.h"
#include "TemporaryDirectory.h"
#include "TerminationFaults.h"

#include <fcntl.h>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>

namespace HangDetection::Test {

class SilentNetworkTest : public BackgroundRunFixture
/// A network that takes what it is given and delivers nothing, so that nobody learns
/// that anything is wrong.
{
public:
    void setUp() override
    {
        BackgroundRunFixture::setUp();
        _proxy.emplace(server().directory());
        connectThroughProxy(" host=" + _proxy->directory().string());
    }

    void tearDown() override
    {
        _proxy.reset();
        BackgroundRunFixture::tearDown();
    }

    CPPUNIT_TEST_SUITE(SilentNetworkTest);
    CPPUNIT_TEST(endsARunAtItsTimeout);
    CPPUNIT_TEST(stopsARun);
    CPPUNIT_TEST(triesTheNextHostAfterOneThatDoesNotAnswer);
    CPPUNIT_TEST(triesTheNextHostOfAServiceToo);
    CPPUNIT_TEST(keepsNothingOfAConnectThatIsNotAnswered);
    CPPUNIT_TEST(printsNoFarewellOfTheServerThatComesWithTheLogin);
    CPPUNIT_TEST(stopsWhileANewConnectIsNotAnswered);
    CPPUNIT_TEST_SUITE_END();

    void endsARunAtItsTimeout()
    {
        useShortRunTimeout();
        inEachSilence([this] {
            expectTimeout();
            CPPUNIT_ASSERT(_proxy->waitUntilSilent(patience));
        });
    }

    void stopsARun()
    {
        inEachSilence([this] {
            startRun();
            CPPUNIT_ASSERT(_proxy->waitUntilSilent(patience));
            expectStopped(inSilence);
        });
    }

    void triesTheNextHostAfterOneThatDoesNotAnswer()
    {
        connectThroughProxy(" host=" + bothHosts() + " connect_timeout=1");
        expectTerminatedByTheNextHost();
    }

    void triesTheNextHostOfAServiceToo()
    {
        const TemporaryDirectory directory;
        const ChangedVariable file(
            "PGSERVICEFILE", directory.write("services", "[coder]\nhost=" + bothHosts() +
                                                             "\nconnect_timeout=1\ndbname=" + databaseName() +
                                                             "\nuser=" + detectorRole + '\n'));
        settings().connection = ConnectionString::parse("service=coder");
        expectTerminatedByTheNextHost();
    }

    void keepsNothingOfAConnectThatIsNotAnswered()
    {
        connectThroughProxy(" connect_timeout=1 host=" + _proxy->directory().string());
        _proxy->fallSilentAtConnection(1);
        expectNoAnswer();
        CPPUNIT_ASSERT(_proxy->waitUntilSilent(patience));
        const auto before = stateOf(getpid()).descriptors;
        expectNoAnswer();
        expectNoAnswer();
        CPPUNIT_ASSERT_EQUAL(before, stateOf(getpid()).descriptors);
        expectRunsAfterTheSilence();
    }

    void printsNoFarewellOfTheServerThatComesWithTheLogin()
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

    void stopsWhileANewConnectIsNotAnswered()
    {
        const std::string job = addHungJob();
        endSessionsThatTerminate(database());
        CPPUNIT_ASSERT(tryRun().error);
        endSessionsNoMore(database());
        _proxy->fallSilentAtConnection(1);
        startRun();
        CPPUNIT_ASSERT(_proxy->waitUntilSilent(patience));
        expectStopped(inSilence);
        _proxy->endSilence();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void connectThroughProxy(const std::string& host)
    /// The last host of a connection string counts.
    {
        settings().connection = ConnectionString::parse(connectionString(detectorRole) + host);
    }

    std::string bothHosts() const
    {
        return _proxy->directory().string() + ',' + server().directory().string();
    }

    void expectTerminatedByTheNextHost()
    {
        const std::string job = addHungJob();
        _proxy->fallSilentAtConnection(1);
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        CPPUNIT_ASSERT(_proxy->waitUntilSilent(patience));
    }

    template <typename End>
    void inEachSilence(End end)
    /// The run that ends so leaves nothing behind: the next ones work, and a job that the server has
    /// terminated, as only the answer was lost, is not terminated again.
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
            {"at the connect", false, [this](auto&) { _proxy->fallSilentAtConnection(1); }},
            {"after the login", false, [this](auto&) { _proxy->fallSilentAfterLogin(1); }},
            {"as the search is prepared", false, [&](auto&) { afterStatement("AS until_next"); }},
            // The second statement that a session prepares.
            {"at the search", true, [&](auto&) { afterStatement("statement_2"); }},
            // A job's id goes from the detector to the server only to terminate the job.
            {"at the termination", true, afterStatement}};
        forEachRow(silences, [&](const Silence& silence) {
            forgetDetector();
            if (silence.isConnected)
                connectDetector();
            const std::string job = addHungJob();
            silence.begin(job);
            end();
            expectRunsAfterTheSilence();
            CPPUNIT_ASSERT(eventually(patience, [&] { return isCompleted(job); }));
            CPPUNIT_ASSERT_EQUAL(std::size_t{5}, database().logs(job).size());
        });
    }

    void expectNoAnswer()
    {
        const RunStatistics statistics = tryRun();
        CPPUNIT_ASSERT(statistics.error);
        CPPUNIT_ASSERT_EQUAL("connection to server at \"" + _proxy->directory().string() +
                                 "\", port 5432 failed: no answer within 1s",
                             statistics.error->cause);
    }

    void expectRunsAfterTheSilence()
    {
        _proxy->endSilence();
        run();
        const std::string job = addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    std::optional<StallingProxy> _proxy;
};

CPPUNIT_TEST_SUITE_REGISTRATION(SilentNetworkTest);

} // namespace HangDetection::Test
