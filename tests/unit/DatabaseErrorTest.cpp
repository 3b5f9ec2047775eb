#include "data/DatabaseError.h"
#include "Suite.h"
#include "libpq/Errors.h"

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

    TEST(takesNoNameForTheCause)
    {
        const auto expectAdvice = [](const std::string& advice, const std::string& text) {
            const DatabaseError error = DatabaseError::fromConnecting(Libpq::ConnectionRefused({text}));
            CPPUNIT_ASSERT_MESSAGE(text, error.advice().starts_with(advice));
        };
        // The name of a host or a file says nothing.
        expectAdvice("check Connection", "could not translate host name \"pg-read-only.example.org\" to "
                                         "address: Name or service not known");
        expectAdvice("check Connection",
                     "connection to server on socket \"/certificate/.s.PGSQL.5432\" failed: No such file");
        // A server that is killed, not a certificate that is wrong.
        expectAdvice("check Connection",
                     "connection to server at \"db\" failed: SSL error: unexpected eof while reading");
    }
};

} // namespace HangDetection::Test
