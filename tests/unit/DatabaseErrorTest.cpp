#include "data/DatabaseError.h"
#include "Suite.h"
#include "libpq/Errors.h"

#include <algorithm>
#include <array>

namespace HangDetection::Test {

using Scope = DatabaseError::Scope;

class DatabaseErrorTest : public CppUnit::TestFixture
{
    TEST_SUITE(DatabaseErrorTest);

    static DatabaseError error(const std::string& sqlState, bool connectionLost = false)
    {
        const Libpq::ServerError error({.message = "\nfirst\tline\nsecond", .sqlState = sqlState});
        return DatabaseError::fromStatement(error, connectionLost);
    }

    static Scope scopeOf(const std::string& sqlState) { return error(sqlState).scope(); }

    TEST(sortsErrorsByWhatHappensNext)
    {
        for (const char* const state : {"P0001", "23503", "22001", "40001", "40P01", "XX001"})
            CPPUNIT_ASSERT_MESSAGE(state, scopeOf(state) == Scope::job);
        for (const char* const state :
             {"3F000", "42501", "42703", "42P01", "53100", "53200", "54000", "55P03", "57014", "58030"})
            CPPUNIT_ASSERT_MESSAGE(state, scopeOf(state) == Scope::database);
        for (const char* const state : {"08006", "57P01", "57P03", "25006", "26000", "42P05"})
            CPPUNIT_ASSERT_MESSAGE(state, scopeOf(state) == Scope::connection);
    }

    TEST(belongsToTheConnectionOnceThatIsLost)
    {
        CPPUNIT_ASSERT(error("P0001", true).scope() == Scope::connection);
        CPPUNIT_ASSERT(error("42501", true).scope() == Scope::connection);
        CPPUNIT_ASSERT_EQUAL(std::string("first line"), std::string(error("P0001", true).what()));
        const Poco::Data::NotConnectedException lost;
        CPPUNIT_ASSERT_EQUAL(std::string("the connection to the database was lost"),
                             std::string(DatabaseError::fromStatement(lost, true).what()));
    }

    static void expectAdvice(const std::string& advice, const std::string& text)
    {
        const DatabaseError error = DatabaseError::fromConnecting(Libpq::ConnectionRefused({text}));
        CPPUNIT_ASSERT_MESSAGE(text + ": " + error.advice(), error.advice().starts_with(advice));
        const bool isOfThisMachine =
            std::ranges::any_of(std::array{"slurmctld is short", "correct the service file", "let Connection",
                                           "check sslrootcert"},
                                [&](const char* beginning) { return advice.starts_with(beginning); });
        CPPUNIT_ASSERT_EQUAL_MESSAGE(text, isOfThisMachine, error.isOfThisMachine());
    }

    TEST(takesNoNameForTheCause)
    {
        // The name of a host or a file says nothing.
        expectAdvice("check Connection", "could not translate host name \"pg-read-only.example.org\" to "
                                         "address: Name or service not known");
        expectAdvice("check Connection",
                     "connection to server on socket \"/certificate/.s.PGSQL.5432\" failed: No such file");
        // A server that is killed, not a certificate that is wrong.
        expectAdvice("check Connection",
                     "connection to server at \"db\" failed: SSL error: unexpected eof while reading");
    }

    TEST(advisesByWhatHappened)
    {
        const std::string toServer = "connection to server at \"db\" (10.0.0.1), port 5432 failed: ";
        expectAdvice("slurmctld is short", "could not create socket: Too many open files");
        expectAdvice("slurmctld is short", "could not create socket: Too many open files in system");
        expectAdvice("slurmctld is short", "out of memory");
        expectAdvice("slurmctld is short", toServer + "could not read root certificate file \"/etc/ca.crt\": "
                                                      "Too many open files");
        expectAdvice("check host and port", "received invalid response to SSL negotiation: H");
        expectAdvice("check host and port", toServer + "the server's answer is not one of PostgreSQL");
        expectAdvice("correct the service file", "definition of service \"x\" not found");
        expectAdvice("correct the service file", "syntax error in service file \"/x\", line 1");
        expectAdvice("let Connection", "the service file \"/x\" is not a regular file");
        expectAdvice("check sslrootcert", toServer + "root certificate file \"/x\" does not exist");
        expectAdvice("check sslrootcert", toServer + "private key file \"/x\" has group or world access");
        expectAdvice("check sslmode", toServer + "SSL error: certificate verify failed");
        expectAdvice("check the options of Connection", "invalid sslmode value: \"x\"");
        expectAdvice("check the options of Connection", "invalid integer value \"x\" for connection option");
        // The server was reached.
        const std::string fatal = toServer + "FATAL:  ";
        expectAdvice("check options of Connection", fatal + "42704: unrecognized configuration parameter");
        expectAdvice("see the log of the server", fatal + "08P01: no such database: coder");
        expectAdvice("see the log of the server", fatal + "53200: out of memory");
        expectAdvice("check Connection", fatal + "57P03: the database system is starting up");
        expectAdvice("check Connection", toServer + "Connection refused");
        CPPUNIT_ASSERT(error("57014").advice().find("another session cancelled it") != std::string::npos);
        // A trigger can raise each of them: they do not say what the database is.
        for (const char* const state : {"0A000", "42703", "42704", "42804", "42P01"})
            CPPUNIT_ASSERT_MESSAGE(state, error(state).advice().find("trigger") != std::string::npos);
    }

    TEST(saysWhatFailedOnThisSide)
    /// The session has closed the connection then, but it was not lost.
    {
        const auto expectError = [](const std::string& cause, const std::string& advice,
                                    const Poco::Exception& exception) {
            for (const bool isClosed : {false, true}) {
                const DatabaseError error = DatabaseError::fromStatement(exception, isClosed);
                CPPUNIT_ASSERT_EQUAL("the database client failed: " + cause, std::string(error.what()));
                CPPUNIT_ASSERT_MESSAGE(error.advice(), error.advice().starts_with(advice));
                CPPUNIT_ASSERT(isClosed == (error.scope() == Scope::connection));
            }
        };
        expectError("cannot allocate memory: out of memory", "slurmctld is short",
                    Poco::Data::ExecutionException("cannot allocate memory:\nout of memory\n"));
        expectError("column 1 is of another type", "report it if it goes on",
                    Poco::Data::ExtractException("column 1 is of another type"));
        expectError("Bad data format", "report it if it goes on", Poco::DataFormatException());
    }

    TEST(isNeverEmpty)
    {
        const auto causeOf = [](const std::string& message) {
            return std::string(DatabaseError::fromStatement(
                                   Libpq::ServerError({.message = message, .sqlState = "P0001"}), false)
                                   .what());
        };
        CPPUNIT_ASSERT_EQUAL(std::string("why"), causeOf("\n \n\twhy\nmore"));
        CPPUNIT_ASSERT_EQUAL(std::string("the server gives no reason"), causeOf(" \n"));
        const auto refusalOf = [](const std::string& message) {
            return std::string(
                DatabaseError::fromConnecting(Libpq::ConnectionRefused({"FATAL:  P0001: " + message}))
                    .what());
        };
        CPPUNIT_ASSERT_EQUAL(std::string("FATAL:  why"), refusalOf("\nwhy\nLOCATION:  here"));
        CPPUNIT_ASSERT_EQUAL(std::string("FATAL:  the server gives no reason"), refusalOf("\n"));
        CPPUNIT_ASSERT_EQUAL(
            std::string("libpq gives no reason"),
            std::string(DatabaseError::fromConnecting(Libpq::ConnectionRefused({"\n"})).what()));
    }

    TEST(keepsTheReasonOfTheServerAfterRunTimeout)
    {
        const auto causeOf = [](const DatabaseError& error) {
            return std::string(error.afterRunTimeout(std::chrono::seconds(300)).what());
        };
        CPPUNIT_ASSERT_EQUAL(std::string("first line"), causeOf(error("42501")));
        CPPUNIT_ASSERT_EQUAL(std::string("RunTimeout of 5m has passed"), causeOf(error("57014")));
        const Poco::Data::NotConnectedException lost;
        CPPUNIT_ASSERT_EQUAL(std::string("RunTimeout of 5m has passed"),
                             causeOf(DatabaseError::fromStatement(lost, true)));
    }
};

} // namespace HangDetection::Test
