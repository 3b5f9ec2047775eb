#include "AskingServer.h"
#include "ChangedVariable.h"
#include "DatabaseFixture.h"
#include "Eventually.h"
#include "ProcessState.h"
#include "Rows.h"
#include "StallingProxy.h"
#include "TemporaryDirectory.h"
#include "data/Connection.h"
#include "data/Statements.h"
#include "libpq/Errors.h"
#include "libpq/SessionImpl.h"

#include <Poco/DateTime.h>
#include <Poco/Nullable.h>
#include <Poco/Tuple.h>
#include <Poco/UUID.h>

#include <limits>
#include <list>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace HangDetection::Test {

using namespace Poco::Data::Keywords;
using namespace std::chrono_literals;

class LibpqSessionTest : public DatabaseFixture
/// What Poco::Data does on a session of the connector in plugin/libpq.
{
public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        _impl = new Libpq::SessionImpl;
        _impl->open(connectionString());
    }

    void tearDown() override
    {
        _impl = nullptr;
        DatabaseFixture::tearDown();
    }

private:
    TEST_SUITE(LibpqSessionTest);

    Poco::Data::Session session() { return Poco::Data::Session(_impl); }

    template <typename Value>
    Value answer(const std::string& question)
    {
        Value value{};
        session() << question, into(value), now;
        return value;
    }

    template <typename Value>
    void expectBack(const Value& value, const std::string& type)
    {
        Value found{};
        session() << "SELECT $1::" + type, into(found), Poco::Data::Keywords::bind(value), now;
        CPPUNIT_ASSERT_MESSAGE(type, value == found);
    }

    template <typename Error>
    static void expectThrown(const std::string& text, const std::function<void()>& action)
    {
        try {
            action();
        } catch (const Error& error) {
            CPPUNIT_ASSERT_MESSAGE(error.displayText(), error.message().find(text) != std::string::npos);
            return;
        }
        CPPUNIT_FAIL("nothing thrown: " + text);
    }

    TEST(givesBackWhatIsBound)
    {
        expectBack(Poco::Int8(-8), "int2");
        expectBack(Poco::UInt16(65535), "int4");
        expectBack(std::numeric_limits<Poco::Int32>::min(), "int4");
        expectBack(std::numeric_limits<Poco::Int64>::max(), "int8");
        expectBack(1.0 / 3, "float8");
        expectBack(1.0F / 3, "float4");
        expectBack(true, "bool");
        expectBack(false, "bool");
        expectBack(std::string("it's\n\u00ff \"\\"), "text");
        expectBack(std::string(), "text");
        expectBack(std::string("{1,2}"), "int8[]");
        std::string id;
        const Poco::UUID uuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
        session() << "SELECT $1::uuid", into(id), Poco::Data::Keywords::bind(uuid), now;
        CPPUNIT_ASSERT_EQUAL(uuid.toString(), id);
    }

    TEST(keepsNullApart)
    {
        CPPUNIT_ASSERT(answer<Poco::Nullable<Poco::Int64>>("SELECT NULL::int8").isNull());
        CPPUNIT_ASSERT(answer<Poco::Nullable<std::string>>("SELECT NULL::text").isNull());
        CPPUNIT_ASSERT(!answer<Poco::Nullable<std::string>>("SELECT ''::text").isNull());
        bool isNull = false;
        session() << "SELECT $1::int8 IS NULL", into(isNull),
            Poco::Data::Keywords::bind(Poco::Nullable<Poco::Int64>()), now;
        CPPUNIT_ASSERT(isNull);
    }

    TEST(readsRowsIntoTuples)
    {
        std::vector<Poco::Tuple<std::string, Poco::Int64, bool>> rows;
        session() << "SELECT 'row ' || i, i::int8, i = 2, 'dropped' FROM generate_series(1, 3) AS i",
            into(rows), now;
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, rows.size());
        CPPUNIT_ASSERT_EQUAL(std::string("row 3"), rows.at(2).get<0>());
        CPPUNIT_ASSERT_EQUAL(Poco::Int64(3), rows.at(2).get<1>());
        CPPUNIT_ASSERT(rows.at(1).get<2>() && !rows.at(2).get<2>());
    }

    TEST(bindsEachElementOfAContainer)
    {
        session() << "CREATE TEMP TABLE numbers (number int8)", now;
        std::vector<Poco::Int64> numbers{1, 20, 300};
        session() << "INSERT INTO numbers VALUES ($1)", use(numbers), now;
        CPPUNIT_ASSERT_EQUAL(Poco::Int64(321), answer<Poco::Int64>("SELECT sum(number)::int8 FROM numbers"));
    }

    TEST(refusesWhatDoesNotFit)
    {
        using Poco::Data::ExtractException;
        const std::string type = "column 1 is of another type";
        const std::string number = "column 1 holds a number that does not fit";
        expectThrown<ExtractException>(type, [this] { answer<Poco::Int64>("SELECT 'text'::text"); });
        expectThrown<ExtractException>(type, [this] { answer<bool>("SELECT 1"); });
        expectThrown<ExtractException>(type, [this] { answer<double>("SELECT 1"); });
        expectThrown<ExtractException>(number, [this] { answer<Poco::UInt8>("SELECT 300"); });
        expectThrown<ExtractException>(number, [this] { answer<Poco::UInt8>("SELECT -1"); });
        using Two = Poco::Tuple<Poco::Int64, Poco::Int64>;
        expectThrown<ExtractException>("fewer columns", [this] { answer<Two>("SELECT 1"); });
        expectThrown<Poco::Data::BindingException>("a zero byte",
                                                   [this] { expectBack(std::string("a\0b", 3), "text"); });
    }

    TEST(namesWhatItDoesNotSupport)
    {
        using Poco::NotImplementedException;
        expectThrown<NotImplementedException>("DateTime", [this] { answer<Poco::DateTime>("SELECT now()"); });
        expectThrown<NotImplementedException>("DateTime",
                                              [this] { expectBack(Poco::DateTime(), "timestamptz"); });
        expectThrown<NotImplementedException>("connect again", [this] { session().reconnect(); });
        expectThrown<NotImplementedException>("a URI", [this] { _impl->open("postgresql://localhost/x"); });
        _impl->open(connectionString());
        expectThrown<NotImplementedException>("isolation", [this] { session().getTransactionIsolation(); });
        for (const char* const copy : {"COPY (SELECT 1) TO STDOUT", "COPY pg_description FROM STDIN"}) {
            expectThrown<NotImplementedException>("COPY", [&] { session() << copy, now; });
            CPPUNIT_ASSERT(!session().isConnected());
            _impl->open(connectionString());
        }
    }

    TEST(tellsTheFieldsOfAnError)
    {
        session() << "CREATE TEMP TABLE few (number int CONSTRAINT few_numbers UNIQUE)", now;
        session() << "INSERT INTO few VALUES (7)", now;
        try {
            session() << "INSERT INTO few VALUES (7)", now;
            CPPUNIT_FAIL("not refused");
        } catch (const Libpq::ServerError& error) {
            const auto& fields = error.fields();
            CPPUNIT_ASSERT_EQUAL(
                (std::vector<std::string>{"23505", "few_numbers", "_bt_check_unique",
                                          "Key (number)=(7) already exists."}),
                (std::vector{fields.sqlState, fields.constraint, fields.routine, fields.detail}));
            CPPUNIT_ASSERT_EQUAL(fields.message, error.message());
        }
        CPPUNIT_ASSERT(session().isGood());
    }

    TEST(executesAKeptStatementUntilItFails)
    {
        Poco::Int64 divisor = 1;
        Poco::Int64 quotient = 0;
        Poco::Data::Session kept = session();
        Poco::Data::Statement statement(kept);
        statement << "SELECT 10 / $1::int8", into(quotient), use(divisor);
        statement.execute();
        divisor = 5;
        statement.execute();
        CPPUNIT_ASSERT_EQUAL(Poco::Int64(2), quotient);
        divisor = 0;
        expectThrown<Libpq::ServerError>("division by zero", [&] { statement.execute(); });
        CPPUNIT_ASSERT_EQUAL(Poco::Int64(1), answer<Poco::Int64>("SELECT 1"));
    }

    void expectCancelled()
    /// The server says so, and the session is not used again.
    {
        expectThrown<Libpq::ServerError>("canceling statement due to user request",
                                         [this] { session() << "SELECT pg_sleep(60)", now; });
        CPPUNIT_ASSERT(session().isConnected() && !session().isGood());
        const auto ask = [this] { answer<Poco::Int64>("SELECT 1"); };
        expectThrown<Libpq::ServerError>("canceled before it was sent", ask);
        _impl->setLimit({});
        expectThrown<Libpq::ServerError>("canceled before it was sent", ask);
        _impl->open(connectionString());
        CPPUNIT_ASSERT(session().isGood());
    }

    TEST(endsAStatementAtItsDeadline)
    {
        _impl->setLimit({.deadline = Libpq::WaitLimit::Clock::now() + 100ms});
        expectCancelled();
    }

    TEST(endsAStatementAtAStop)
    {
        std::stop_source source;
        _impl->setLimit({.stop = source.get_token()});
        const std::jthread stopper([&] {
            std::this_thread::sleep_for(100ms);
            source.request_stop();
        });
        expectCancelled();
    }

    TEST(commitsAndRollsBack)
    {
        session() << "CREATE TEMP TABLE numbers (number int8)", now;
        for (const bool isKept : {true, false}) {
            session().begin();
            CPPUNIT_ASSERT(session().isTransaction());
            session() << "INSERT INTO numbers VALUES (1)", now;
            isKept ? session().commit() : session().rollback();
            CPPUNIT_ASSERT(!session().isTransaction());
        }
        CPPUNIT_ASSERT_EQUAL(Poco::Int64(1), answer<Poco::Int64>("SELECT count(*) FROM numbers"));
    }

    TEST(refusesToCommitWhatFailed)
    {
        session().begin();
        expectThrown<Libpq::ServerError>("division by zero", [this] { answer<Poco::Int64>("SELECT 1 / 0"); });
        expectThrown<Poco::Data::ExecutionException>("rolled back", [this] { session().commit(); });
    }

    TEST(readsAnAnswerOfManyMegabytes)
    {
        constexpr std::size_t size = 10'000'000;
        CPPUNIT_ASSERT_EQUAL(size,
                             answer<std::string>("SELECT repeat('x', " + std::to_string(size) + ")").size());
        expectBack(std::string(size, 'y'), "text");
    }

    TEST(refusesAFloodThatItDidNotAskFor)
    {
        const auto flood = [this](int messages) {
            database().value("SELECT count(pg_notify('flood', i || repeat('x', 7900)))::text"
                             " FROM generate_series(1, " +
                             std::to_string(messages) + ") AS i");
        };
        session() << "LISTEN flood", now;
        flood(10);
        CPPUNIT_ASSERT(eventually(patience, [this] { return session().isGood(); }));
        flood(2000);
        expectThrown<Libpq::ServerError>("the server sent more than 1 MiB unasked", [this] {
            // The server sends what a kernel takes, and the rest later.
            eventually(patience, [this] { return !session().isGood(); });
        });
    }

    TEST(hasOneThreadForCancelsThatAreHeld)
    {
        std::list<StallingProxy> networks;
        for (int i = 0; i < 2; ++i) {
            StallingProxy& network = networks.emplace_back(server().directory());
            network.fallSilentAfterStatement("pg_sleep");
            _impl->setLimit({});
            _impl->open(connectionString() + " host=" + network.directory().string());
            _impl->setLimit({{}, Libpq::WaitLimit::Clock::now() + 100ms});
            expectThrown<Poco::Data::NotConnectedException>(
                "", [this] { answer<std::string>("SELECT pg_sleep(600)::text"); });
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, threadsOf(getpid()).count("pq_cancel"));
        }
    }

    TEST(opensNoPipe)
    {
        const TemporaryDirectory directory;
        const std::string pipe = (directory.path() / "pipe").string();
        CPPUNIT_ASSERT_EQUAL(0, mkfifo(pipe.c_str(), 0600));
        const auto expectRefused = [&](const std::string& what, const std::string& options) {
            try {
                _impl->open(connectionString() + options);
                CPPUNIT_FAIL("not refused: " + what);
            } catch (const Libpq::ConnectionRefused& refusal) {
                CPPUNIT_ASSERT_EQUAL(what + " \"" + pipe + "\" is not a regular file",
                                     refusal.causes().at(0));
            }
        };
        for (const std::string keyword : {"passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl"})
            expectRefused(keyword, ' ' + keyword + '=' + pipe);
        expectRefused("sslcrldir has", " sslcrldir=" + directory.path().string());
        const ChangedVariable services("PGSERVICEFILE", pipe);
        expectRefused("service file", " service=coder");
    }

    TEST(tellsNoConnectionString)
    {
        // Poco quotes it in exceptions.
        CPPUNIT_ASSERT_EQUAL(std::string("libpq:///"), session().uri());
        try {
            _impl->open("host=localhost password=my secret");
            CPPUNIT_FAIL("not refused");
        } catch (const Libpq::ConnectionRefused& refusal) {
            CPPUNIT_ASSERT_EQUAL(std::string("the connection string cannot be read"), refusal.causes().at(0));
        }
    }

    std::string causeOf(const std::string& connection)
    /// Why that cannot be opened.
    {
        try {
            _impl->open(connection);
        } catch (const Libpq::ConnectionRefused& refusal) {
            return refusal.causes().at(0);
        }
        CPPUNIT_FAIL("not refused");
        return "";
    }

    TEST(sendsNoPasswordInClearText)
    {
        const std::string request = AskingServer::message('R', {"\0\0\0\3", 4});
        const std::string scram = AskingServer::message('R', {"\0\0\0\12SCRAM-SHA-256\0\0", 19});
        struct Row
        {
            const char* name;
            AskingServer::Ways ways;
            std::string connection = {};
        };
        const std::vector<Row> rows{
            {"at once", {.password = password}},
            {"without TLS", {.password = password}, " sslmode=disable"},
            {"byte by byte", {.password = password, .isSlow = true}},
            {"right behind the answer about TLS", {.password = password, .noTls = 'N' + request}},
            {"right behind a request for another method", {.password = password, .request = scram + request}},
            {"and a password from a passfile",
             {.password = filePassword},
             " password='' passfile=" + passfile().string()},
        };
        forEachRow<Row>(rows, [this](const Row& row) {
            const AskingServer server(row.ways);
            const std::string cause = causeOf(hostOf(server) + row.connection);
            const std::string words = "127.0.0.1\", port " + server.port() +
                                      " failed: the server asks for the password in clear text";
            CPPUNIT_ASSERT_MESSAGE(cause, cause.find(words) != std::string::npos);
            CPPUNIT_ASSERT_EQUAL(0, server.passwords());
        });
        // Without a password nothing can be shown.
        const AskingServer server({.password = password});
        const std::string cause = causeOf(hostOf(server) + " password='' passfile=/nowhere");
        CPPUNIT_ASSERT_MESSAGE(cause, cause.find("no password supplied") != std::string::npos);
    }

    TEST(passesOnTheErrorOfAServerThatCannotFork)
    /// In a form of its own.
    {
        const std::string error = "could not fork new process for connection: Cannot allocate memory";
        for (const bool isSlow : {false, true}) {
            const AskingServer server(
                {.password = password, .request = 'E' + error + '\n' + '\0', .isSlow = isSlow});
            const std::string cause = causeOf(hostOf(server));
            CPPUNIT_ASSERT_MESSAGE(cause, cause.find(error) != std::string::npos);
        }
    }

    TEST(cutsThePasswordOutOfErrors)
    {
        _impl->allowCleartextPassword(true);
        const AskingServer server({.password = password});
        const std::string cause = causeOf(hostOf(server));
        CPPUNIT_ASSERT_MESSAGE(cause, cause.find("P0001: no *** here") != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(1, server.passwords());

        _impl->allowCleartextPassword(false);
        const AskingServer local({.password = filePassword,
                                  .socket = (_directory.path() / ".s.PGSQL.5432").string(),
                                  .isPleased = true});
        _impl->open("host=" + _directory.path().string() + " user=u passfile=" + passfile().string());
        expectThrown<Libpq::ServerError>("no *** here", [this] { answer<Poco::Int64>("SELECT 1"); });
        // Also one of an earlier connection.
        CPPUNIT_ASSERT_EQUAL(std::string("*** or ***"),
                             _impl->withoutPasswords(std::string(password) + " or " + filePassword));
    }

    static std::string hostOf(const AskingServer& server)
    {
        return "host=127.0.0.1 user=u port=" + server.port() + " password=" + password;
    }

    std::filesystem::path passfile() const
    {
        const auto file = _directory.write("passfile", std::string("*:*:*:*:") + filePassword + '\n');
        std::filesystem::permissions(file, std::filesystem::perms(0600));
        return file;
    }

    static constexpr const char* password = "Xyzzy8";
    static constexpr const char* filePassword = "Plugh9";

    TEST(keepsAPlan) { CPPUNIT_ASSERT(readsAllJobsOfATableThatGrew(24h)); }

    TEST(plansAgainWhenAPlanIsOld) { CPPUNIT_ASSERT(!readsAllJobsOfATableThatGrew(0h)); }

    bool readsAllJobsOfATableThatGrew(std::chrono::hours planAge)
    /// After a plan for an empty one, and without statistics that say so.
    {
        database().execute("ALTER TABLE provisioner_jobs SET (autovacuum_enabled = off)");
        database().execute("VACUUM provisioner_jobs");
        Connection connection(ConnectionString::parse(connectionString()), 60s, planAge);
        connection.open({});
        connection.session() << std::string("PREPARE kept AS ") + Statements::terminate_jobs, now;
        const auto plan = [&] {
            std::vector<std::string> lines;
            connection.session()
                << "EXPLAIN EXECUTE kept ('{}', '{epoch}', '{}', '{}', '{}', '{1}', '{}', '{}')",
                into(lines), now;
            std::string text;
            for (const std::string& line : lines)
                text += line + '\n';
            return text;
        };
        const std::string sign = "Seq Scan on provisioner_jobs";
        CPPUNIT_ASSERT_MESSAGE(plan(), plan().find(sign) != std::string::npos);
        database().addJobs(20000);
        connection.open({});
        return plan().find(sign) != std::string::npos;
    }

    const TemporaryDirectory _directory;
    Poco::AutoPtr<Libpq::SessionImpl> _impl;
};

} // namespace HangDetection::Test
