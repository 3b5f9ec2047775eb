#include "data/ConnectionString.h"

#include "Suite.h"
#include "ThrownBy.h"
#include "libpq/ConnectionText.h"

namespace HangDetection::Test {

class ConnectionStringTest : public CppUnit::TestFixture
{
    TEST_SUITE(ConnectionStringTest);

    static void expect(const std::string& keyword, const std::string& value, const std::string& text)
    /// What libpq understands of the text that goes to it.
    {
        const std::string connection = ConnectionString::parse(text).secretText();
        const Libpq::ConnectionOptions options = Libpq::writtenOptions(connection);
        CPPUNIT_ASSERT_MESSAGE(text, options != nullptr);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(text + ": " + keyword, value,
                                     Libpq::valueOf(options, keyword).value_or(""));
    }

    static std::string refusalOf(const std::string& text)
    {
        return thrownBy<ConnectionStringError>([&] { ConnectionString::parse(text); }, text).what();
    }

    static void expectRefused(const std::string& reason, const std::vector<std::string>& texts)
    {
        for (const std::string& text : texts)
            CPPUNIT_ASSERT_EQUAL_MESSAGE(text, reason, refusalOf(text));
    }

    TEST(keepsWhatTheOperatorSaid)
    {
        const std::string pairs = "host=db port=5433  dbname='coder'";
        expect("host", "db", pairs);
        expect("port", "5433", pairs);
        expect("dbname", "coder", pairs);
        const std::string uri = "postgresql://de%20tector@a,b:5433/coder?sslmode=require";
        expect("user", "de tector", uri);
        expect("host", "a,b", uri);
        expect("port", ",5433", uri);
        expect("sslmode", "require", uri);
        expect("password", "a'b\\c=d\"# e", R"(password='a\'b\\c=d"# e')");
    }

    TEST(addsTheDefaultsOfADaemon)
    {
        expect("target_session_attrs", "read-write", "dbname=coder");
        expect("fallback_application_name", "hang_detector", "dbname=coder");
        expect("target_session_attrs", "any", "target_session_attrs=any");
        // A service says what it wants.
        expect("target_session_attrs", "", "service=coder");
        expect("service", "coder", "service=coder");
    }

    TEST(wantsNoConversion)
    {
        for (const std::string text : {"dbname=coder", "service=coder", "client_encoding=LATIN1"})
            expect("client_encoding", "SQL_ASCII", text);
    }

    TEST(refusesWrongBoundsAndLists)
    {
        expectRefused("has a connect_timeout that is not a whole number of seconds",
                      {"connect_timeout=soon", "connect_timeout=10s", "connect_timeout=''",
                       "connect_timeout=99999999999"});
        expectRefused("has lists of different lengths; allowed are as many elements in host as in hostaddr "
                      "and port, or a single port for all",
                      {"host=a,b,c port=1,2", "host=a hostaddr=10.0.0.1,10.0.0.2", "port=1,2 host=a"});
    }

    TEST(refusesPartsOfAPasswordInOtherPlaces)
    {
        // libpq takes them, and its errors would quote them.
        for (const std::string text :
             {"postgresql://u:sec/ret@db/coder", "postgresql://u:S3cr#et/q@db/coder",
              "postgresql://u:S3cr@et@db/coder", "postgresql://u:12/secret@db/coder",
              "postgres://u:1/x?user=secret@db/coder", "postgresql://u:@secret?user=x@db/coder",
              "postgresql:///coder?user=secret@db", "host=db port=secret", "port=0", "port=65536",
              "port=5432x", "host=a,b port=1,x", "host=a@b"}) {
            const std::string reason = refusalOf(text);
            CPPUNIT_ASSERT_MESSAGE(text, reason.find(" that cannot be ") != std::string::npos);
            CPPUNIT_ASSERT_MESSAGE(text, reason.find("sec") == std::string::npos);
            CPPUNIT_ASSERT_MESSAGE(text, reason.find("S3cr") == std::string::npos);
        }
        for (const std::string text :
             {"port=1", "host=a,b,c port=65535,,5432", "host=@abstract", "host=/tmp/a@b", "dbname=a@b",
              "postgresql://u:sec%2Fret%40@db/coder", "postgresql://u:a?b=c@db/coder",
              "postgresql:///a%40b?host=%40abstract"})
            ConnectionString::parse(text);
    }

    TEST(saysWhichDatabaseItIs)
    {
        for (const auto& [text, database] :
             {std::pair("host=db dbname=coder password=secret", "the database coder on db"),
              {"postgresql://ada:secret@a,b/coder", "the database coder on a,b"},
              {"hostaddr=10.0.0.1", "the default database on 10.0.0.1"},
              {"dbname=coder", "the database coder on this machine"},
              {"service=coder", "the database of the service coder"}})
            CPPUNIT_ASSERT_EQUAL(std::string(database), ConnectionString::parse(text).database());
    }

    TEST(knowsAPassword)
    {
        for (const std::string text : {"password=x", "sslpassword=x", "postgresql://u:x@db/coder"})
            CPPUNIT_ASSERT_MESSAGE(text, ConnectionString::parse(text).hasPassword());
        for (const std::string text :
             {"postgresql://u@db/coder", "passfile=/etc/slurm/pgpass", "password=''"})
            CPPUNIT_ASSERT_MESSAGE(text, !ConnectionString::parse(text).hasPassword());
    }
};

} // namespace HangDetection::Test
