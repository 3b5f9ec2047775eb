#include "AskingServer.h"
#include "ProcessState.h"
#include "ServerFaults.h"
#include "ServerLog.h"
#include "SimulatorFixture.h"
#include "TerminationFaults.h"

#include <Poco/String.h>

#include <iterator>

namespace HangDetection::Test {

namespace {

/// A password. One of its two ends stays however it is quoted, encoded or cut.
constexpr const char* password = R"(Xyzzy8 '\/:@#?%&=Plugh9)";
/// As a value of a connection string.
constexpr const char* quotedPassword = R"('Xyzzy8 \'\\/:@#?%&=Plugh9')";
/// As a part of a URI.
constexpr const char* encodedPassword = "Xyzzy8%20%27%5C%2F%3A%40%23%3F%25%26%3DPlugh9";

void assertHidden(const std::string& text)
/// Fails when the text holds an end of the password, and shows what is around it.
{
    constexpr std::size_t around = 200;
    for (const char* const end : {"xyzzy8", "plugh9"}) {
        const auto at = Poco::toLower(text).find(end);
        if (at != std::string::npos)
            CPPUNIT_FAIL("a password is shown: " + text.substr(at < around ? 0 : at - around, 2 * around));
    }
}

std::string seenOf(pid_t process)
/// What others see of a process in /proc: its command line, its environment, and the names of its threads.
{
    std::string seen;
    for (const char* const name : {"/cmdline", "/environ"})
        seen += textOf("/proc/" + std::to_string(process) + name);
    for (const std::string& name : threadsOf(process))
        seen += name + '\n';
    return seen;
}

} // namespace

class SecretsTest : public SimulatorFixture
/// A password in Connection is shown nowhere, however things go: not in what the plugin
/// writes, with all its debug lines, not in what others see of the process, and not on
/// the server.
{
    TEST_SUITE(SecretsTest);

    static constexpr const char* role = "secret_role";

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
    /// Once, as the server is that of all tests.
    {
        if (database().isTrue("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role))
            return;
        database().execute(std::string("CREATE ROLE ") + role + " SUPERUSER LOGIN PASSWORD '" +
                           Poco::replace(std::string(password), "'", "''") + "'");
        database().execute(std::string("ALTER ROLE ") + role + " SET log_statement = 'all'");
        database().execute(std::string("ALTER ROLE ") + role + " SET log_min_messages = 'debug5'");
        database().execute("ALTER SYSTEM SET log_connections = on");
    }

    void start(const std::string& connection)
    {
        directory().write("hang_detector.conf", "Connection=" + connection + "\nInterval=1\n");
        startHost(simulator({"--duration=60", "--verbose"}));
    }

    void awaitLine(const std::string& part)
    {
        await([&] { return contains(part, log()); });
    }

    void expectSecret()
    {
        // A thread has its name a moment after its start.
        await([this] { return threadsOf(host().id()).contains("hang_detector"); });
        const std::string seen = seenOf(host().id());
        Test::assertContains("hang-detector-sim", seen);
        assertHidden(seen);
        assertHidden(sessions());
        host().stop(std::chrono::seconds(30));
        assertHidden(log());
        assertHidden(serverLog(server()));
    }

    TEST(whenAllIsWell)
    {
        for (const std::string& connection :
             {asKeywords(), asUri(), asKeywords() + " sslpassword=" + quotedPassword}) {
            const std::string job = database().addJob();
            start(connection);
            awaitLine("job terminated job_id=" + job);
            awaitLine("run finished terminated=0");
            Test::assertContains(role, sessions());
            CPPUNIT_ASSERT(contains(std::string("connection authorized: user=") + role, serverLog(server())));
            expectSecret();
        }
    }

    TEST(whenNoSessionComesAbout)
    {
        const std::string inUri = std::string("postgresql://secret_role:") + encodedPassword;
        const std::string quoted = quotedPassword;
        const struct
        {
            std::string connection;
            const char* error;
        } rows[] = {
            {asKeywords() + " password=Xyzzy8Plugh9", "password authentication failed for user"},
            {inUri + "@127.0.0.1:1/coder", "Connection refused"},
            {inUri + "@nowhere.invalid,127.0.0.1/coder?port=1", "could not translate host name"},
            {"host=/nowhere user=secret_role password=" + quoted, "No such file or directory"},
            {"host=127.0.0.1 port=1 sslmode=require sslcert=/nowhere sslpassword=" + quoted,
             "Connection refused"},
            {asKeywords() + " dbname=nobodys", "database \\\"nobodys\\\" does not exist"},
            {asKeywords() + " service=nobodys", "definition of service \\\"nobodys\\\" not found"},
        };
        for (const auto& [connection, error] : rows) {
            start(connection);
            awaitLine(error);
            expectSecret();
        }
    }

    TEST(whenStatementsFail)
    {
        refuse(database(), database().addJob());
        start(asUri());
        awaitLine("error=\"this job is refused\" sqlstate=P0001");
        database().execute("ALTER TABLE provisioner_jobs RENAME TO away");
        awaitLine("sqlstate=42P01");
        expectSecret();
    }

    TEST(whenTheServerGoesAway)
    {
        // The session ends in the middle of the statement, and then each time before it.
        endSessionsThatTerminate(database());
        database().addJob();
        start(asUri());
        awaitLine("terminating connection due to administrator command");
        endSessionsNoMore(database());
        awaitLine("database answers again");
        {
            const Outage outage(server());
            awaitLine("connection to server on socket");
        }
        reconnect();
        expectSecret();
    }

    TEST(whenTheServerRepeatsIt)
    {
        for (const bool isPleased : {false, true}) {
            const AskingServer server({.password = password, .isPleased = isPleased});
            start("host=127.0.0.1 port=" + server.port() + " user=" + role + " password=" + quotedPassword +
                  "\nCleartextPassword=yes");
            awaitLine("no *** here");
            CPPUNIT_ASSERT(server.passwords() > 0);
            expectSecret();
        }
    }

    std::string asKeywords() const
    {
        return "host=" + server().directory().string() + " dbname=" + databaseName() + " user=" + role +
               " password=" + quotedPassword;
    }

    std::string asUri() const
    {
        return std::string("postgresql://") + role + ":" + encodedPassword + "@/" + databaseName() +
               "?host=" + server().directory().string();
    }

    std::string sessions()
    /// All that the server shows of its sessions.
    {
        return database()
            .value("SELECT jsonb_agg(a)::text FROM pg_stat_activity a WHERE datname = $1", databaseName())
            .value();
    }

    std::optional<HbaRule> _rule;
};

} // namespace HangDetection::Test
