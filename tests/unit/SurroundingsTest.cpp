#include "data/Surroundings.h"
#include "ChangedVariable.h"
#include "Printing.h"
#include "Suite.h"
#include "TemporaryDirectory.h"
#include "ThrownBy.h"
#include "data/DatabaseError.h"
#include "libpq/Addresses.h"
#include "libpq/Errors.h"

#include <pwd.h>
#include <set>
#include <unistd.h>

namespace HangDetection::Test {

using namespace std::chrono_literals;
using Libpq::ConnectionOptions;

class SurroundingsTest : public CppUnit::TestFixture
/// What is tried, and what libpq understands of it. Nothing is connected.
{
    TEST_SUITE(SurroundingsTest);

    static std::vector<std::string> attemptsFor(const std::string& text)
    {
        std::vector<std::string> attempts;
        Libpq::Addresses all(withoutSurroundings(ConnectionString::parse(text)));
        while (const auto attempt = all.next())
            attempts.push_back(*attempt);
        return attempts;
    }

    static std::string understood(const std::string& attempt, const std::string& keyword)
    {
        const ConnectionOptions options = Libpq::writtenOptions(attempt);
        CPPUNIT_ASSERT(options != nullptr);
        return Libpq::valueOf(options, keyword).value_or("");
    }

    static void expectHosts(const std::vector<std::string>& hosts, const std::string& text)
    /// Each host as "name address port".
    {
        std::vector<std::string> found;
        for (const std::string& attempt : attemptsFor(text))
            found.push_back(understood(attempt, "host") + ' ' + understood(attempt, "hostaddr") + ' ' +
                            understood(attempt, "port"));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(text, hosts, found);
    }

    static void expectOption(const std::string& keyword, const std::string& value, const std::string& text)
    /// In the last attempt.
    {
        CPPUNIT_ASSERT_EQUAL_MESSAGE(text + ": " + keyword, value,
                                     understood(attemptsFor(text).back(), keyword));
    }

    static void expectTimeout(std::chrono::seconds expected, const std::string& text)
    {
        const Libpq::Addresses addresses(withoutSurroundings(ConnectionString::parse(text)));
        CPPUNIT_ASSERT_MESSAGE(text, addresses.timeout() == expected);
    }

    static void expectError(const std::string& text, const std::string& expected,
                            const std::string& advice = "")
    {
        const auto error = thrownBy<DatabaseError>([&] { attemptsFor(text); }, text);
        CPPUNIT_ASSERT(error.scope() == DatabaseError::Scope::connection);
        CPPUNIT_ASSERT_MESSAGE(error.what(), std::string(error.what()).find(expected) != std::string::npos);
        CPPUNIT_ASSERT_MESSAGE(error.advice(), error.advice().find(advice) != std::string::npos);
    }

    TEST(takesEachHostByItselfAndLimitsTheTime)
    {
        expectHosts({"10.0.0.1 10.0.0.1 5433", "10.0.0.2 10.0.0.2 5433"}, "host=10.0.0.1,10.0.0.2 port=5433");
        expectHosts({"a 10.0.0.1 1", "/run 10.0.0.2 5432"}, "hostaddr=10.0.0.1,10.0.0.2 host=a,/run port=1,");
        expectHosts({"/run  5432", "@abstract  5432"}, "host=/run,@abstract");
        expectOption("dbname", "coder", "host=/a,/b dbname=coder");
        // An empty host is the local one.
        expectHosts({"  5432"}, "dbname=coder");
        expectHosts({"  1", "/run  2"}, "host=,/run port=1,2");
        expectTimeout(10s, "dbname=coder");
        expectTimeout(1h, "connect_timeout=0");
        // An unknown name is left to libpq.
        expectHosts({"nowhere.invalid  5432", "/run  5432"}, "host=nowhere.invalid,/run");
    }

    TEST(takesEachHostOfAServiceByItself)
    {
        const ChangedVariable file("PGSERVICEFILE",
                                   _directory.write("services", "[hosts]\nhost=/a,/b\nport=1,2\n"
                                                                "connect_timeout=3\nsslcert=/own.crt\n"
                                                                "[addresses]\nhostaddr=10.0.0.1,10.0.0.2\n"));
        expectHosts({"/a  1", "/b  2"}, "service=hosts");
        expectHosts({"/c  3", "/d  3"}, "service=hosts host=/c,/d port=3");
        expectHosts({"a 10.0.0.1 5432", "b 10.0.0.2 5432"}, "service=addresses host=a,b");
        expectTimeout(3s, "service=hosts");
        expectTimeout(4s, "service=hosts connect_timeout=4");
        expectOption("service", "hosts", "service=hosts");
        expectOption("sslcert", "", "service=hosts");
        expectOption("client_encoding", "SQL_ASCII", "service=hosts");
    }

    TEST(refusesAServiceAsLibpqDoes)
    {
        const ChangedVariable file("PGSERVICEFILE",
                                   _directory.write("services", "[lists]\nhost=/a,/b\nport=1,2,3\n"
                                                                "[time]\nconnect_timeout=soon\n"));
        expectError("service=lists", "could not match 3 port numbers to 2 hosts");
        const auto error = DatabaseError::fromConnecting(
            thrownBy<Libpq::ConnectionRefused>([] { attemptsFor("service=time"); }, "service=time"));
        CPPUNIT_ASSERT_EQUAL(std::string("connect_timeout is not a whole number of seconds"),
                             std::string(error.what()));
        CPPUNIT_ASSERT_EQUAL(
            std::string("correct the service file, or service of Connection in hang_detector.conf"),
            error.advice());
    }

    TEST(shufflesHosts)
    {
        const std::string text = "host=/a,/b,/c,/d load_balance_hosts=random";
        if (!Libpq::writtenOptions(text))
            return; // libpq before 16
        std::set<std::string> first;
        for (int i = 0; i < 200; ++i)
            first.insert(understood(attemptsFor(text).at(0), "host"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, first.size());
    }

    TEST(usesTheFilesOfTheUser)
    {
        const ChangedVariable variable("HOME", "/home/of/nobody");
        const std::string home = getpwuid(geteuid())->pw_dir;
        const std::string text = "dbname=coder sslkey=/own.key";
        expectOption("passfile", home + "/.pgpass", text);
        expectOption("sslcert", home + "/.postgresql/postgresql.crt", text);
        expectOption("sslkey", "/own.key", text);
        expectOption("sslrootcert", home + "/.postgresql/root.crt", text);
        expectOption("sslcrl", home + "/.postgresql/root.crl", text);
        // To libpq, an empty one is that of the home.
        expectOption("sslcert", home + "/.postgresql/postgresql.crt", "sslcert=''");
        // The operator's directory of revocations is enough.
        expectOption("sslcrl", "", "sslcrldir=/crl");
    }

    TEST(givesNoVariableASay)
    {
        expectOption("sslmode", "", "dbname=coder");
        const ConnectionOptions options = Libpq::writtenOptions("");
        for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
            const std::string keyword = option->keyword;
            if (option->envvar == nullptr || keyword == "service")
                continue;
            const ChangedVariable junk(option->envvar, "junk");
            const std::string attempt = attemptsFor("dbname=coder").at(0);
            // "service" is last of all that libpq asks the environment for.
            CPPUNIT_ASSERT_MESSAGE(keyword, attempt.find(' ' + keyword + "='") != std::string::npos ||
                                                keyword == "servicefile");
            CPPUNIT_ASSERT_MESSAGE(keyword, attempt.find("junk") == std::string::npos);
        }
        const ChangedVariable outdated("PGREQUIRESSL", "1");
        expectOption("sslmode", "prefer", "dbname=coder");
        const ChangedVariable mode("PGSSLMODE", "disable");
        expectOption("sslmode", "require", "sslmode=require");
    }

    TEST(refusesAVariableThatCannotBeKeptOut)
    {
        const ChangedVariable file("PGSERVICEFILE", _directory.write("services", "[coder]\nhost=/a\n"));
        {
            const ChangedVariable service("PGSERVICE", "coder");
            for (const std::string text : {"dbname=coder", "service=coder"})
                expectError(text, "PGSERVICE in the environment of slurmctld names a service",
                            "unset PGSERVICE in the environment of slurmctld");
        }
        const ChangedVariable mode("PGSSLMODE", "disable");
        expectError("service=coder", "PGSSLMODE in the environment of slurmctld would decide sslmode",
                    "unset PGSSLMODE in the environment of slurmctld, or say sslmode in Connection");
        expectHosts({"/a  5432"}, "service=coder sslmode=prefer");
    }

    TEST(refusesTheServiceFileOfAnotherHome)
    {
        _directory.write(".pg_service.conf", "[coder]\nhost=/a\n");
        {
            const ChangedVariable home("HOME", _directory.path());
            expectError("service=coder", "HOME in the environment of slurmctld would decide the service file",
                        "unset HOME, or let PGSERVICEFILE name the service file");
            expectHosts({"  5432"}, "dbname=coder");
            const ChangedVariable file("PGSERVICEFILE", _directory.path() / ".pg_service.conf");
            expectHosts({"/a  5432"}, "service=coder");
        }
        const TemporaryDirectory empty;
        const ChangedVariable home("HOME", empty.path());
        const ChangedVariable system("PGSYSCONFDIR", _directory.path());
        _directory.write("pg_service.conf", "[coder]\nhost=/b\n");
        expectHosts({"/b  5432"}, "service=coder");
    }

    const TemporaryDirectory _directory;
};

} // namespace HangDetection::Test
