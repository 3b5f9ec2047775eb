#include "data/ConnectionString.h"
#include "libpq/ConnectionText.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace HangDetection::Test {

class ConnectionStringTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(ConnectionStringTest);
    CPPUNIT_TEST(keepsWhatTheOperatorSaid);
    CPPUNIT_TEST(readsAUri);
    CPPUNIT_TEST(addsTheDefaultsOfADaemon);
    CPPUNIT_TEST(letsTheOperatorOverrideADefault);
    CPPUNIT_TEST(leavesItToAService);
    CPPUNIT_TEST(wantsNoConversion);
    CPPUNIT_TEST(refusesABoundThatIsNoNumber);
    CPPUNIT_TEST(refusesListsOfDifferentLengths);
    CPPUNIT_TEST(refusesPartsOfAPasswordInOtherPlaces);
    CPPUNIT_TEST(passesQuotesAndBackslashesThrough);
    CPPUNIT_TEST(knowsAPassword);
    CPPUNIT_TEST_SUITE_END();

    static std::string understood(const std::string& text, const std::string& keyword)
    /// What libpq understands of the text that goes to it.
    {
        const std::string connection = ConnectionString::parse(text).secretText();
        const Libpq::ConnectionOptions options = Libpq::writtenOptions(connection);
        CPPUNIT_ASSERT(options != nullptr);
        return Libpq::valueOf(options, keyword).value_or("");
    }

    void keepsWhatTheOperatorSaid()
    {
        CPPUNIT_ASSERT_EQUAL(std::string("db"), understood("host=db port=5433  dbname='coder'", "host"));
        CPPUNIT_ASSERT_EQUAL(std::string("5433"), understood("host=db port=5433  dbname='coder'", "port"));
        CPPUNIT_ASSERT_EQUAL(std::string("coder"), understood("host=db port=5433  dbname='coder'", "dbname"));
    }

    void readsAUri()
    {
        const std::string uri = "postgresql://de%20tector@a,b:5433/coder?sslmode=require";
        CPPUNIT_ASSERT_EQUAL(std::string("de tector"), understood(uri, "user"));
        CPPUNIT_ASSERT_EQUAL(std::string("a,b"), understood(uri, "host"));
        CPPUNIT_ASSERT_EQUAL(std::string(",5433"), understood(uri, "port"));
        CPPUNIT_ASSERT_EQUAL(std::string("require"), understood(uri, "sslmode"));
    }

    void addsTheDefaultsOfADaemon()
    {
        CPPUNIT_ASSERT_EQUAL(std::string("read-write"), understood("dbname=coder", "target_session_attrs"));
        CPPUNIT_ASSERT_EQUAL(std::string("hang_detector"),
                             understood("dbname=coder", "fallback_application_name"));
    }

    void letsTheOperatorOverrideADefault()
    {
        CPPUNIT_ASSERT_EQUAL(std::string("any"),
                             understood("target_session_attrs=any", "target_session_attrs"));
    }

    void leavesItToAService()
    {
        CPPUNIT_ASSERT_EQUAL(std::string(), understood("service=coder", "target_session_attrs"));
        CPPUNIT_ASSERT_EQUAL(std::string("coder"), understood("service=coder", "service"));
    }

    void wantsNoConversion()
    {
        for (const std::string text : {"dbname=coder", "service=coder", "client_encoding=LATIN1"})
            CPPUNIT_ASSERT_EQUAL(std::string("SQL_ASCII"), understood(text, "client_encoding"));
    }

    static void assertRefused(const std::string& text, const std::string& expected)
    {
        try {
            ConnectionString::parse(text);
            CPPUNIT_FAIL("not refused: " + text);
        } catch (const ConnectionStringError& error) {
            CPPUNIT_ASSERT_EQUAL(expected, std::string(error.what()));
        }
    }

    void refusesABoundThatIsNoNumber()
    {
        for (const std::string value : {"soon", "10s", "''", "99999999999"})
            assertRefused("connect_timeout=" + value,
                          "has a connect_timeout that is no whole number of seconds");
    }

    void refusesListsOfDifferentLengths()
    {
        for (const std::string text :
             {"host=a,b,c port=1,2", "host=a hostaddr=10.0.0.1,10.0.0.2", "port=1,2 host=a"})
            assertRefused(text, "has lists of different lengths; allowed are as many elements in host as in "
                                "hostaddr and port, or a single port for all");
    }

    void refusesPartsOfAPasswordInOtherPlaces()
    {
        // libpq takes them, and its errors would quote them.
        for (const std::string text :
             {"postgresql://u:sec/ret@db/coder", "postgresql://u:S3cr#et/q@db/coder",
              "postgresql://u:S3cr@et@db/coder", "postgresql://u:12/secret@db/coder",
              "postgres://u:1/x?user=secret@db/coder", "postgresql://u:@secret?user=x@db/coder",
              "postgresql:///coder?user=secret@db", "host=db port=secret", "port=0", "port=65536",
              "port=5432x", "host=a,b port=1,x", "host=a@b"}) {
            try {
                ConnectionString::parse(text);
                CPPUNIT_FAIL("not refused: " + text);
            } catch (const ConnectionStringError& error) {
                const std::string reason = error.what();
                CPPUNIT_ASSERT(reason.find(" that cannot be ") != std::string::npos);
                CPPUNIT_ASSERT(reason.find("sec") == std::string::npos &&
                               reason.find("S3cr") == std::string::npos);
            }
        }
        for (const std::string text :
             {"port=1", "host=a,b,c port=65535,,5432", "host=@abstract", "host=/tmp/a@b", "dbname=a@b",
              "postgresql://u:sec%2Fret%40@db/coder", "postgresql://u:a?b=c@db/coder",
              "postgresql:///a%40b?host=%40abstract"})
            ConnectionString::parse(text);
    }

    void passesQuotesAndBackslashesThrough()
    {
        CPPUNIT_ASSERT_EQUAL(std::string("a'b\\c=d\"# e"),
                             understood(R"(password='a\'b\\c=d"# e')", "password"));
    }

    void knowsAPassword()
    {
        CPPUNIT_ASSERT(ConnectionString::parse("password=x").hasPassword());
        CPPUNIT_ASSERT(ConnectionString::parse("sslpassword=x").hasPassword());
        CPPUNIT_ASSERT(ConnectionString::parse("postgresql://u:x@db/coder").hasPassword());
        CPPUNIT_ASSERT(!ConnectionString::parse("postgresql://u@db/coder").hasPassword());
        CPPUNIT_ASSERT(!ConnectionString::parse("passfile=/etc/slurm/pgpass").hasPassword());
        CPPUNIT_ASSERT(!ConnectionString::parse("password=''").hasPassword());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ConnectionStringTest);

} // namespace HangDetection::Test
