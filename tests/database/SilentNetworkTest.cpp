#include "BackgroundRunFixture.h"
#include "ChangedVariable.h"
#include "Eventually.h"
#include "ProcessState.h"
#include "Rows.h"
#include "StallingProxy.h"
#include "TemporaryDirectory.h"
#include "TerminationFaults.h"

#include <fcntl.h>
#include <filesystem>
#include <functional>
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
    CPPUNIT_TEST(endsARunThatCannotPrepareItsSearch);
    CPPUNIT_TEST(endsARunWhoseTerminationIsNotAnswered);
    CPPUNIT_TEST(triesTheNextHostAfterOneThatDoesNotAnswer);
    CPPUNIT_TEST(triesTheNextHostOfAServiceToo);
    CPPUNIT_TEST(keepsNothingOfAConnectThatIsNotAnswered);
    CPPUNIT_TEST(printsNoFarewellOfTheServerThatComesWithTheLogin);
    CPPUNIT_TEST(stopsARun);
    CPPUNIT_TEST(stopsWhileANewConnectIsNotAnswered);
    CPPUNIT_TEST(stopsWhileTheTerminationIsNotAnswered);
    CPPUNIT_TEST_SUITE_END();

    void endsARunAtItsTimeout()
    {
        useShortRunTimeout();
        inEachSilence([this] { expectTimeoutInSilence(); });
    }

    void endsARunThatCannotPrepareItsSearch()
    {
        useShortRunTimeout();
        _proxy->fallSilentAfterStatement("AS until_next");
        expectTimeoutInSilence();
    }

    void endsARunWhoseTerminationIsNotAnswered()
    {
        useShortRunTimeout();
        const std::string job = fallSilentAtTermination();
        expectTimeoutInSilence();
        expectTerminatedOnce(job);
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
        {
            const StandardError redirected(directory.path() / "stderr");
            startRun();
            CPPUNIT_ASSERT(_proxy->waitUntilSilent(patience));
            CPPUNIT_ASSERT(eventually(patience, [this] { return backendOfDetector().has_value(); }));
            CPPUNIT_ASSERT_EQUAL(Text("1"), endSessionOfDetector());
            _proxy->endSilence();
            CPPUNIT_ASSERT(endOfRun().error);
        }
        CPPUNIT_ASSERT_EQUAL(std::string(), directory.read("stderr"));
    }

    void stopsARun()
    {
        inEachSilence([this] { expectStoppedInSilence(); });
    }

    void stopsWhileANewConnectIsNotAnswered()
    {
        const std::string job = loseConnection();
        _proxy->fallSilentAtConnection(1);
        startRun();
        CPPUNIT_ASSERT(_proxy->waitUntilSilent(patience));
        expectStopped(inSilence);
        _proxy->endSilence();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void stopsWhileTheTerminationIsNotAnswered()
    {
        const std::string job = fallSilentAtTermination();
        expectStoppedInSilence();
        expectTerminatedOnce(job);
    }

    class StandardError
    /// What this process writes to stderr goes to a file, as long as the object lives.
    {
    public:
        explicit StandardError(const std::filesystem::path& file)
            : _kept(dup(STDERR_FILENO)), _file(open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600))
        {
            CPPUNIT_ASSERT(_kept >= 0 && dup2(_file, STDERR_FILENO) >= 0);
        }

        ~StandardError()
        {
            dup2(_kept, STDERR_FILENO);
            close(_kept);
            close(_file);
        }

        StandardError(const StandardError&) = delete;
        StandardError& operator=(const StandardError&) = delete;

    private:
        const int _kept;
        const int _file;
    };

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

    template <typename Check>
    void inEachSilence(Check check)
    {
        struct Silence
        {
            const char* name;
            bool isConnected;
            /// Before the network falls silent.
            std::function<void()> begin;
        };
        const std::vector<Silence> silences{
            {"at the connect", false, [this] { _proxy->fallSilentAtConnection(1); }},
            {"after the login", false, [this] { _proxy->fallSilentAfterLogin(1); }},
            {"at the search", true, [this] { _proxy->fallSilentAfterStatement(search); }}};
        forEachRow(silences, [&](const Silence& silence) {
            forgetDetector();
            if (silence.isConnected)
                connectDetector();
            silence.begin();
            check();
        });
    }

    std::string fallSilentAtTermination()
    /// Of the job whose id this returns. It goes from the detector to the server only to terminate the job.
    {
        connectDetector();
        const std::string job = addHungJob();
        _proxy->fallSilentAfterStatement(job);
        return job;
    }

    void expectNoAnswer()
    {
        const RunStatistics statistics = tryRun();
        CPPUNIT_ASSERT(statistics.error);
        CPPUNIT_ASSERT_EQUAL("connection to server at \"" + _proxy->directory().string() +
                                 "\", port 5432 failed: no answer within 1s",
                             statistics.error->cause);
    }

    std::string loseConnection()
    /// In a run with one hung job, which stays so.
    {
        const std::string job = addHungJob();
        endSessionsThatTerminate(database());
        CPPUNIT_ASSERT(tryRun().error);
        endSessionsNoMore(database());
        return job;
    }

    void expectTimeoutInSilence()
    {
        expectTimeout();
        CPPUNIT_ASSERT(_proxy->waitUntilSilent(patience));
        expectRunsAfterTheSilence();
    }

    void expectStoppedInSilence()
    {
        startRun();
        CPPUNIT_ASSERT(_proxy->waitUntilSilent(patience));
        expectStopped(inSilence);
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

    /// The statement that finds hung jobs is the second one that a session prepares.
    static constexpr const char* search = "statement_2";

    std::optional<StallingProxy> _proxy;
};

CPPUNIT_TEST_SUITE_REGISTRATION(SilentNetworkTest);

} // namespace HangDetection::Test
