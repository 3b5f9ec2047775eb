#include "HbaRule.h"
#include "Outage.h"
#include "ProcessState.h"
#include "Secret.h"
#include "ServerLog.h"
#include "SimulatorFixture.h"
#include "TerminationFaults.h"

#include <Poco/String.h>
#include <cppunit/extensions/HelperMacros.h>

#include <optional>
#include <string>

namespace HangDetection::Test {

class SecretsTest : public SimulatorFixture
/// A password in Connection is shown nowhere, however things go: not in what the plugin
/// writes, with all its debug lines, not in what others see of the process, and not on
/// the server.
{
    CPPUNIT_TEST_SUITE(SecretsTest);
    CPPUNIT_TEST(whenAllIsWell);
    CPPUNIT_TEST(whenNoSessionComesAbout);
    CPPUNIT_TEST(whenStatementsFail);
    CPPUNIT_TEST(whenTheServerGoesAway);
    CPPUNIT_TEST_SUITE_END();

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
                           Poco::replace(std::string(Secret::plain), "'", "''") + "'");
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
        await([&] { return contains(part, output()); });
    }

    void expectSecret()
    {
        // A thread has its name a moment after its start.
        await([this] { return threadsOf(host().id()).contains("hang_detector"); });
        const std::string seen = seenOf(host().id());
        Test::assertContains("hang-detector-sim", seen);
        Secret::assertNotIn(seen);
        Secret::assertNotIn(sessions());
        host().stop(std::chrono::seconds(30));
        Secret::assertNotIn(output());
        Secret::assertNotIn(serverLog(server()));
    }

    void whenAllIsWell()
    {
        for (const std::string& connection :
             {asKeywords(), asUri(), asKeywords() + " sslpassword=" + Secret::quoted}) {
            const std::string job = database().addJob();
            start(connection);
            awaitLine("job terminated job_id=" + job);
            awaitLine("run finished terminated=0");
            Test::assertContains(role, sessions());
            CPPUNIT_ASSERT(contains(std::string("connection authorized: user=") + role, serverLog(server())));
            expectSecret();
        }
    }

    void whenNoSessionComesAbout()
    {
        const std::string password = std::string(":") + Secret::encoded;
        const std::string quoted = Secret::quoted;
        const struct
        {
            std::string connection;
            const char* error;
        } rows[] = {
            {asKeywords() + " password=Xyzzy8Plugh9", "password authentication failed for user"},
            {"postgresql://secret_role:Xyzzy8Plugh9@/" + databaseName() +
                 "?host=" + server().directory().string(),
             "password authentication failed for user"},
            {"postgresql://secret_role" + password + "@127.0.0.1:1/coder", "Connection refused"},
            {"postgresql://secret_role" + password + "@nowhere.invalid,127.0.0.1/coder?port=1",
             "could not translate host name"},
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

    void whenStatementsFail()
    {
        refuse(database(), database().addJob());
        start(asUri());
        awaitLine("error=\"this job is refused\" sqlstate=P0001");
        database().execute("ALTER TABLE provisioner_jobs RENAME TO away");
        awaitLine("sqlstate=42P01");
        expectSecret();
    }

    void whenTheServerGoesAway()
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

    std::string sessions()
    /// All that the server shows of its sessions.
    {
        return database()
            .value("SELECT jsonb_agg(a)::text FROM pg_stat_activity a WHERE datname = $1", databaseName())
            .value();
    }

    std::optional<HbaRule> _rule;
};

CPPUNIT_TEST_SUITE_REGISTRATION(SecretsTest);

} // namespace HangDetection::Test
