#include "data/ConnectionString.h"

#include <cppunit/extensions/HelperMacros.h>
#include <libpq-fe.h>

#include <memory>
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
    CPPUNIT_TEST(boundsEachConnect);
    CPPUNIT_TEST(refusesPartsOfAPasswordInOtherPlaces);
    CPPUNIT_TEST(passesQuotesAndBackslashesThrough);
    CPPUNIT_TEST(holdsNoBlankForPocoToCutAt);
    CPPUNIT_TEST(keepsServerOptionsApart);
    CPPUNIT_TEST(refusesABlankElsewhere);
    CPPUNIT_TEST(knowsAPassword);
    CPPUNIT_TEST_SUITE_END();

    static std::string understood(const std::string& text, const std::string& keyword)
    /// What libpq understands of the text that goes to it.
    {
        const std::string connection = ConnectionString::parse(text).secretText();
        const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
            PQconninfoParse(connection.c_str(), nullptr), &PQconninfoFree);
        CPPUNIT_ASSERT(options != nullptr);
        for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
            if (keyword == option->keyword)
                return option->val == nullptr ? "" : option->val;
        }
        return "";
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
        CPPUNIT_ASSERT_THROW(ConnectionString::parse(uri), ConnectionStringError);
        const std::string good = "postgresql://detector@a,b:5433/coder?sslmode=require";
        CPPUNIT_ASSERT_EQUAL(std::string("a,b"), understood(good, "host"));
        CPPUNIT_ASSERT_EQUAL(std::string(",5433"), understood(good, "port"));
        CPPUNIT_ASSERT_EQUAL(std::string("require"), understood(good, "sslmode"));
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

    void boundsEachConnect()
    {
        for (const char* const text :
             {"dbname=coder", "connect_timeout=3600", "connect_timeout=0", "service=coder"})
            CPPUNIT_ASSERT_EQUAL(std::string("5"), understood(text, "connect_timeout"));
    }

    void refusesPartsOfAPasswordInOtherPlaces()
    {
        // libpq takes them, and its errors would quote them.
        for (const std::string text :
             {"postgresql://u:sec/ret@db/coder", "postgresql://u:S3cr#et/q@db/coder",
              "postgresql://u:S3cr@et@db/coder", "postgresql://u:12/secret@db/coder", "host=db port=secret",
              "port=0", "port=65536", "port=5432x", "port=1,x", "host=a@b"}) {
            try {
                ConnectionString::parse(text);
                CPPUNIT_FAIL("not refused: " + text);
            } catch (const ConnectionStringError& error) {
                const std::string reason = error.what();
                CPPUNIT_ASSERT(reason.find("that cannot be one") != std::string::npos);
                CPPUNIT_ASSERT(reason.find("sec") == std::string::npos &&
                               reason.find("S3cr") == std::string::npos);
            }
        }
        for (const std::string text : {"port=1", "port=65535,,5432", "host=@abstract", "host=/tmp/a@b",
                                       "dbname=a@b", "postgresql://u:sec%2Fret%40@db/coder"})
            ConnectionString::parse(text);
    }

    void passesQuotesAndBackslashesThrough()
    {
        CPPUNIT_ASSERT_EQUAL(std::string("a'b\\c=d\"#"), understood(R"(password='a\'b\\c=d"#')", "password"));
    }

    void holdsNoBlankForPocoToCutAt()
    {
        const auto text =
            ConnectionString::parse("host=db options='-c search_path=coder -c geqo=off'").secretText();
        CPPUNIT_ASSERT(text.find(' ') == std::string::npos);
    }

    void keepsServerOptionsApart()
    {
        CPPUNIT_ASSERT_EQUAL(std::string("-c\tsearch_path=coder\t-c\tgeqo=off"),
                             understood("options='-c search_path=coder -c geqo=off'", "options"));
    }

    void refusesABlankElsewhere()
    {
        try {
            ConnectionString::parse("password='ge heim'");
            CPPUNIT_FAIL("not refused");
        } catch (const ConnectionStringError& error) {
            CPPUNIT_ASSERT_EQUAL(
                std::string("has a blank in the value of password, which is not supported; put a "
                            "password with blanks into a passfile"),
                std::string(error.what()));
        }
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
