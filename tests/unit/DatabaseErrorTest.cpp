#include "data/DatabaseError.h"

#include <Poco/Data/PostgreSQL/PostgreSQLException.h>
#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace HangDetection::Test {

using Scope = DatabaseError::Scope;

class DatabaseErrorTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(DatabaseErrorTest);
    CPPUNIT_TEST(findsSqlStateAndTextInWhatPocoThrows);
    CPPUNIT_TEST(sortsErrorsByWhatHappensNext);
    CPPUNIT_TEST(belongsToTheConnectionOnceThatIsLost);
    CPPUNIT_TEST(quotesNothingThatIsNotFromTheServer);
    CPPUNIT_TEST(findsItsAdviceInTheWordsOfLibpq);
    CPPUNIT_TEST_SUITE_END();

    static DatabaseError error(const std::string& text, bool connectionLost = false)
    {
        return DatabaseError::fromStatement(Poco::Data::PostgreSQL::StatementException(text), connectionLost);
    }

    static Scope scopeOf(const std::string& sqlState)
    {
        return error("x ERROR:  " + sqlState + ": text").scope();
    }

    void findsSqlStateAndTextInWhatPocoThrows()
    {
        const DatabaseError found =
            error("postgresql_stmt_prepare error: FEHLER:  42P01: relation \"a:  b\" fehlt\n"
                  "LINE 1: SELECT\nLOCATION:  parserOpenTable, parse_relation.c:1392\n SELECT 1");
        CPPUNIT_ASSERT_EQUAL(std::string("42P01"), found.sqlState());
        CPPUNIT_ASSERT_EQUAL(std::string("relation \"a:  b\" fehlt"), std::string(found.what()));
        CPPUNIT_ASSERT(!found.advice().empty());
        CPPUNIT_ASSERT_EQUAL(std::string("42501"), error("no:  state: ERROR:  42501: text").sqlState());
    }

    void sortsErrorsByWhatHappensNext()
    {
        for (const char* const state : {"P0001", "23503", "22001", "40001", "40P01", "XX001"})
            CPPUNIT_ASSERT_MESSAGE(state, scopeOf(state) == Scope::job);
        for (const char* const state :
             {"3F000", "42501", "42703", "42P01", "53100", "53200", "54000", "55P03", "57014", "58030"})
            CPPUNIT_ASSERT_MESSAGE(state, scopeOf(state) == Scope::database);
        for (const char* const state : {"08006", "57P01", "57P03", "25006", "26000", "42P05"})
            CPPUNIT_ASSERT_MESSAGE(state, scopeOf(state) == Scope::connection);
    }

    void belongsToTheConnectionOnceThatIsLost()
    {
        CPPUNIT_ASSERT(error("x ERROR:  P0001: text", true).scope() == Scope::connection);
        CPPUNIT_ASSERT(error("x ERROR:  42501: text", true).scope() == Scope::connection);
        CPPUNIT_ASSERT_EQUAL(std::string("the connection to the database was lost"),
                             std::string(error("", true).what()));
    }

    void findsItsAdviceInTheWordsOfLibpq()
    {
        const auto expectAdvice = [](const std::string& advice, const std::string& text) {
            CPPUNIT_ASSERT_MESSAGE(text, DatabaseError::fromConnecting(text).advice().starts_with(advice));
        };
        expectAdvice("the server is a standby",
                     "connection to server at \"db\" failed: session is read-only");
        expectAdvice("check sslmode",
                     "connection to server at \"db\" failed: SSL error: certificate verify failed");
        expectAdvice("check user and password",
                     "connection to server failed: fe_sendauth: no password supplied");
        expectAdvice("check Connection", "could not translate host name \"pg-read-only.example.org\" to "
                                         "address: Name or service not known");
        expectAdvice("check Connection",
                     "connection to server on socket \"/certificate/.s.PGSQL.5432\" failed: No such file");
        // A server that is killed, not a certificate that is wrong.
        expectAdvice("check Connection",
                     "connection to server at \"db\" failed: SSL error: unexpected eof while reading");
    }

    void quotesNothingThatIsNotFromTheServer()
    {
        for (const bool connectionLost : {false, true}) {
            const DatabaseError found = error("not connected: password='geheim'", connectionLost);
            CPPUNIT_ASSERT(std::string(found.what()).find("geheim") == std::string::npos);
            CPPUNIT_ASSERT(found.advice().find("geheim") == std::string::npos);
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DatabaseErrorTest);

} // namespace HangDetection::Test
