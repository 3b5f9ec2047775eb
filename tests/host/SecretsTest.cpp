#include "ChildProcess.h"
#include "Eventually.h"
#include "HbaRule.h"
#include "Outage.h"
#include "ProcessState.h"
#include "Secret.h"
#include "ServerLog.h"
#include "SimulatorFixture.h"
#include "TerminationFaults.h"

#include <Poco/String.h>
#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

namespace HangDetection::Test {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class SecretsTest : public SimulatorFixture
/// A password in Connection is told nowhere, however things go: not in what the plugin
/// writes, with all its debug lines, not in what others see of the process, and not on
/// the server.
{
    CPPUNIT_TEST_SUITE(SecretsTest);
    CPPUNIT_TEST(whenAllIsWell);
    CPPUNIT_TEST(whenThePasswordIsWrong);
    CPPUNIT_TEST(whenTheServerCannotBeReached);
    CPPUNIT_TEST(whenThereIsNoSuchDatabaseOrService);
    CPPUNIT_TEST(whenTheConnectionIsMalformed);
    CPPUNIT_TEST(whenALineOfTheSettingsIsWrong);
    CPPUNIT_TEST(whenStatementsFail);
    CPPUNIT_TEST(whenTheServerGoesAway);
    CPPUNIT_TEST(whenEverybodyMayReadTheFile);
    CPPUNIT_TEST_SUITE_END();

    static constexpr const char* role = "secret_role";

    class Detector
    /// The simulator at work with a connection. Everything is looked through when it ends.
    {
    public:
        Detector(SecretsTest& test, const std::string& connection) : _test(test)
        {
            // Several may run in one test.
            fs::remove(_output);
            test.directory().write("hang_detector.conf", "Connection=" + connection + "\nInterval=1\n");
            _process.emplace(test.simulator({"--duration=60", "--verbose"}), _output);
        }

        void waitForLog(const std::string& event)
        {
            const bool isThere = eventually(patience, [&] { return log().find(event) != std::string::npos; });
            CPPUNIT_ASSERT_MESSAGE("'" + event + "' is not in:\n" + log(), isThere);
        }

        void expectSecret()
        {
            // A thread has its name a moment after its start.
            CPPUNIT_ASSERT(
                eventually(patience, [&] { return threadsOf(_process->id()).contains("hang_detector"); }));
            const std::string seen = seenOf(_process->id());
            CPPUNIT_ASSERT(seen.find("hang-detector-sim") != std::string::npos);
            Secret::assertNotIn(seen);
            Secret::assertNotIn(_test.sessions());
            _process->stop(patience);
            Secret::assertNotIn(log());
            Secret::assertNotIn(serverLog(_test.server()));
        }

    private:
        std::string log() const { return _test.directory().read("output"); }

        SecretsTest& _test;
        const fs::path _output = _test.directory().path() / "output";
        std::optional<ChildProcess> _process;
    };

public:
    void setUp() override
    {
        SimulatorFixture::setUp();
        makeRole();
        _rule.emplace(server(), std::string("local all ") + role + " scram-sha-256");
    }

    void tearDown() override
    {
        _rule.reset();
        SimulatorFixture::tearDown();
    }

private:
    void makeRole()
    /// On the server of all tests, which has to be told once.
    {
        if (database().isTrue("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role))
            return;
        database().execute(std::string("CREATE ROLE ") + role + " SUPERUSER LOGIN PASSWORD '" +
                           Poco::replace(std::string(Secret::plain), "'", "''") + "'");
        database().execute(std::string("ALTER ROLE ") + role + " SET log_statement = 'all'");
        database().execute(std::string("ALTER ROLE ") + role + " SET log_min_messages = 'debug5'");
        database().execute("ALTER SYSTEM SET log_connections = on");
    }

    void whenAllIsWell()
    {
        for (const std::string& connection :
             {asKeywords(), asUri(), asKeywords() + " sslpassword=" + Secret::quoted}) {
            const std::string job = database().addJob();
            Detector detector(*this, connection);
            detector.waitForLog("job terminated job_id=" + job);
            detector.waitForLog("run finished terminated=0");
            CPPUNIT_ASSERT_MESSAGE(sessions(), sessions().find(role) != std::string::npos);
            CPPUNIT_ASSERT(serverLog(server()).find(std::string("connection authorized: user=") + role) !=
                           std::string::npos);
            detector.expectSecret();
        }
    }

    void whenThePasswordIsWrong()
    {
        expectFailure(asKeywords() + " password=Xyzzy8Plugh9", "password authentication failed for user");
        expectFailure("postgresql://secret_role:Xyzzy8Plugh9@/" + databaseName() +
                          "?host=" + server().directory().string(),
                      "password authentication failed for user");
    }

    void whenTheServerCannotBeReached()
    {
        const std::string password = std::string(":") + Secret::encoded;
        expectFailure("postgresql://secret_role" + password + "@127.0.0.1:1/coder", "Connection refused");
        expectFailure("postgresql://secret_role" + password + "@nowhere.invalid,127.0.0.1/coder?port=1",
                      "could not translate host name");
        expectFailure(std::string("host=/nowhere user=secret_role password=") + Secret::quoted,
                      "No such file or directory");
        expectFailure(std::string("host=127.0.0.1 port=1 sslmode=require sslcert=/nowhere sslpassword=") +
                          Secret::quoted,
                      "Connection refused");
    }

    void whenThereIsNoSuchDatabaseOrService()
    {
        expectFailure(asKeywords() + " dbname=nobodys", "database \\\"nobodys\\\" does not exist");
        expectFailure(asKeywords() + " service=nobodys", "definition of service \\\"nobodys\\\" not found");
    }

    void whenTheConnectionIsMalformed()
    {
        for (const std::string connection :
             {"dbname=coder password=Xyzzy8 Plugh9", "dbname=coder password='Xyzzy8 Plugh9",
              "dbname=coder passwrod=Xyzzy8Plugh9", "Xyzzy8Plugh9", "host=db port=Xyzzy8Plugh9",
              "host=Xyzzy8@Plugh9", "connect_timeout=Xyzzy8Plugh9", "postgresql://u:Xyzzy8/Plugh9@db/coder",
              "postgresql://u:Xyzzy8@Plugh9@db/coder", "postgresql://u:1/x?user=Xyzzy8Plugh9@db/coder",
              "postgresql://u:Xyzzy8%zzPlugh9@db/coder", "postgresql://u:Xyzzy8%00Plugh9@db/coder",
              "postgresql://u:x@[Xyzzy8Plugh9@db/coder", "postgresql://u:x@db/coder?passwrod=Xyzzy8Plugh9",
              "postgresql:/u:Xyzzy8Plugh9@db/coder", "dbname=coder password=Xyzzy8\x07Plugh9"})
            expectRefusal("Connection=" + connection + "\n", ":1: Connection: ");
    }

    void whenALineOfTheSettingsIsWrong()
    {
        const std::string connection = "Connection=" + asKeywords() + "\n";
        expectRefusal(connection + "Interval=soon\n", ":2: Interval: ");
        expectRefusal("Interval=1\n" + connection + connection, ":3: Connection: is set twice");
        expectRefusal("Conection=" + asKeywords() + "\n", ":1: Conection: is not a known key");
        expectRefusal("Connection=dbname=coder\npassword=Xyzzy8Plugh9\n", ":2: password: is not a known key");
        expectRefusal("Connection=dbname=coder\nXyzzy8Plugh9\n", ":2: not a setting");
        expectRefusal("Connection=\"" + asKeywords() + "\n", ":1: Connection: has no closing quote");
    }

    void whenStatementsFail()
    {
        refuse(database(), database().addJob());
        Detector detector(*this, asUri());
        detector.waitForLog("error=\"this job is refused\" sqlstate=P0001");
        database().execute("ALTER TABLE provisioner_jobs RENAME TO away");
        detector.waitForLog("sqlstate=42P01");
        detector.expectSecret();
    }

    void whenTheServerGoesAway()
    {
        // The session ends in the middle of the statement, and then each time before it.
        endSessionsThatTerminate(database());
        database().addJob();
        Detector detector(*this, asUri());
        detector.waitForLog("terminating connection due to administrator command");
        endSessionsNoMore(database());
        detector.waitForLog("database answers again");
        {
            const Outage outage(server());
            detector.waitForLog("connection to server on socket");
        }
        reconnect();
        detector.expectSecret();
    }

    void whenEverybodyMayReadTheFile()
    {
        const fs::path file = directory().path() / "hang_detector.conf";
        for (const std::string& connection :
             {asKeywords(), asUri(), "dbname=coder sslpassword=" + std::string(Secret::quoted)}) {
            useText("Connection=" + connection + "\n");
            fs::permissions(file, fs::perms::others_read, fs::perm_options::add);
            expectRefused(":1: Connection: holds a password, but everybody can read the file");
        }
        useText("Connection=" + asUri() + "\n");
        const auto result = simulate({"--runs=1", "--verbose"});
        assertStatus(0, result);
        Secret::assertNotIn(result.output);
    }

    std::string asKeywords() const
    {
        return "host=" + server().directory().string() + " dbname=" + databaseName() + " user=" + role +
               " password=" + Secret::quoted;
    }

    std::string asUri() const
    {
        return std::string("postgresql://") + role + ":" + Secret::encoded + "@/" + databaseName() +
               "?host=" + server().directory().string();
    }

    void expectFailure(const std::string& connection, const std::string& cause)
    {
        Detector detector(*this, connection);
        detector.waitForLog(cause);
        detector.expectSecret();
    }

    void useText(const std::string& settings) const { directory().write("hang_detector.conf", settings); }

    void expectRefusal(const std::string& settings, const std::string& reason) const
    {
        useText(settings);
        expectRefused(reason);
    }

    void expectRefused(const std::string& reason) const
    {
        const auto result = simulate({"--runs=1", "--verbose"});
        assertStatus(1, result);
        assertContains("error: job_submit/hang_detector: ", result);
        assertContains("hang_detector.conf" + reason, result);
        Secret::assertNotIn(result.output);
    }

    std::string sessions()
    /// All that the server shows of its sessions.
    {
        return database()
            .value("SELECT jsonb_agg(a)::text FROM pg_stat_activity a WHERE datname = $1", databaseName())
            .value();
    }

    std::optional<HbaRule> _rule;

    static constexpr std::chrono::seconds patience{30};
};

CPPUNIT_TEST_SUITE_REGISTRATION(SecretsTest);

} // namespace HangDetection::Test
