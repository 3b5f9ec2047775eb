#include "data/Surroundings.h"
#include "ChangedVariable.h"
#include "TemporaryDirectory.h"
#include "data/DatabaseError.h"
#include "libpq/Addresses.h"
#include "libpq/Errors.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <filesystem>
#include <pwd.h>
#include <set>
#include <string>
#include <unistd.h>
#include <vector>

namespace HangDetection::Test {

using namespace std::chrono_literals;
using Libpq::ConnectionOptions;

class SurroundingsTest : public CppUnit::TestFixture
/// What is tried, and what libpq understands of it. Nothing is connected.
{
    CPPUNIT_TEST_SUITE(SurroundingsTest);
    CPPUNIT_TEST(takesEachHostByItself);
    CPPUNIT_TEST(takesEachAddressOfANameByItself);
    CPPUNIT_TEST(takesAnEmptyHostForTheLocalOne);
    CPPUNIT_TEST(leavesAnUnknownNameToLibpq);
    CPPUNIT_TEST(knowsTheBoundOnAnAttempt);
    CPPUNIT_TEST(takesEachHostOfAServiceByItself);
    CPPUNIT_TEST(refusesAServiceAsLibpqDoes);
    CPPUNIT_TEST(shufflesHosts);
    CPPUNIT_TEST(usesTheFilesOfTheUser);
    CPPUNIT_TEST(leavesItAtTheRevocationsOfTheOperator);
    CPPUNIT_TEST(givesNoVariableASay);
    CPPUNIT_TEST(refusesAVariableThatCannotBeKeptOut);
    CPPUNIT_TEST(refusesTheServiceFileOfAnotherHome);
    CPPUNIT_TEST_SUITE_END();

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

    static void expect(const std::vector<std::string>& hosts, const std::string& text)
    /// Each host as "name address port".
    {
        std::vector<std::string> found;
        for (const std::string& attempt : attemptsFor(text))
            found.push_back(understood(attempt, "host") + ' ' + understood(attempt, "hostaddr") + ' ' +
                            understood(attempt, "port"));
        CPPUNIT_ASSERT(found == hosts);
    }

    static void expectError(const std::string& text, const std::string& expected, const std::string& advice)
    {
        try {
            attemptsFor(text);
            CPPUNIT_FAIL("not refused: " + text);
        } catch (const DatabaseError& error) {
            CPPUNIT_ASSERT(error.scope() == DatabaseError::Scope::connection);
            CPPUNIT_ASSERT_MESSAGE(error.what(),
                                   std::string(error.what()).find(expected) != std::string::npos);
            CPPUNIT_ASSERT_MESSAGE(error.advice(), error.advice().find(advice) != std::string::npos);
        }
    }

    void takesEachHostByItself()
    {
        expect({"10.0.0.1 10.0.0.1 5433", "10.0.0.2 10.0.0.2 5433"}, "host=10.0.0.1,10.0.0.2 port=5433");
        expect({"a 10.0.0.1 1", "/run 10.0.0.2 5432"}, "hostaddr=10.0.0.1,10.0.0.2 host=a,/run port=1,");
        expect({" 10.0.0.1 1", " 10.0.0.2 2"}, "hostaddr=10.0.0.1,10.0.0.2 port=1,2");
        expect({"/run  5432", "@abstract  5432"}, "host=/run,@abstract");
        CPPUNIT_ASSERT_EQUAL(std::string("coder"),
                             understood(attemptsFor("host=/a,/b dbname=coder").at(1), "dbname"));
    }

    void takesEachAddressOfANameByItself()
    {
        std::set<std::string> addresses;
        for (const std::string& attempt : attemptsFor("host=localhost")) {
            CPPUNIT_ASSERT_EQUAL(std::string("localhost"), understood(attempt, "host"));
            addresses.insert(understood(attempt, "hostaddr"));
        }
        CPPUNIT_ASSERT(addresses.contains("127.0.0.1") && !addresses.contains(""));
    }

    void takesAnEmptyHostForTheLocalOne()
    {
        expect({"  5432"}, "dbname=coder");
        expect({"  5432", "/run  5432"}, "host=,/run");
        expect({"  1", "/run  2"}, "host=,/run port=1,2");
    }

    void leavesAnUnknownNameToLibpq()
    {
        expect({"nowhere.invalid  5432", "/run  5432"}, "host=nowhere.invalid,/run");
    }

    static std::chrono::seconds timeoutOf(const std::string& text)
    {
        return Libpq::Addresses(withoutSurroundings(ConnectionString::parse(text))).timeout();
    }

    void knowsTheBoundOnAnAttempt()
    {
        CPPUNIT_ASSERT(timeoutOf("dbname=coder") == 10s);
        CPPUNIT_ASSERT(timeoutOf("connect_timeout=25") == 25s);
        CPPUNIT_ASSERT(timeoutOf("connect_timeout=0") == 1h);
    }

    void takesEachHostOfAServiceByItself()
    {
        const TemporaryDirectory directory;
        const ChangedVariable file("PGSERVICEFILE",
                                   directory.write("services", "[hosts]\nhost=/a,/b\nport=1,2\n"
                                                               "connect_timeout=3\nsslcert=/own.crt\n"
                                                               "[addresses]\nhostaddr=10.0.0.1,10.0.0.2\n"));
        expect({"/a  1", "/b  2"}, "service=hosts");
        expect({"/c  3", "/d  3"}, "service=hosts host=/c,/d port=3");
        expect({"a 10.0.0.1 5432", "b 10.0.0.2 5432"}, "service=addresses host=a,b");
        CPPUNIT_ASSERT(timeoutOf("service=hosts") == 3s);
        CPPUNIT_ASSERT(timeoutOf("service=hosts connect_timeout=4") == 4s);
        CPPUNIT_ASSERT(timeoutOf("service=addresses") == 10s);
        const std::string attempt = attemptsFor("service=hosts").at(1);
        CPPUNIT_ASSERT_EQUAL(std::string("hosts"), understood(attempt, "service"));
        CPPUNIT_ASSERT_EQUAL(std::string(), understood(attempt, "sslcert"));
        CPPUNIT_ASSERT_EQUAL(std::string("SQL_ASCII"), understood(attempt, "client_encoding"));
    }

    void refusesAServiceAsLibpqDoes()
    {
        const TemporaryDirectory directory;
        const ChangedVariable file("PGSERVICEFILE",
                                   directory.write("services",
                                                   "[lists]\nhost=/a,/b\nport=1,2,3\n"
                                                   "[time]\nconnect_timeout=soon\n[odd]\nnonsense=1\n"));
        expectError("service=nobodys password=x", "definition of service \"nobodys\" not found", "");
        expectError("service=lists", "could not match 3 port numbers to 2 hosts", "");
        expectError("service=odd", "syntax error in service file", "");
        try {
            attemptsFor("service=time");
            CPPUNIT_FAIL("not refused");
        } catch (const Libpq::ConnectionRefused& refusal) {
            const DatabaseError error = DatabaseError::fromConnecting(refusal);
            CPPUNIT_ASSERT_EQUAL(std::string("connect_timeout is no whole number of seconds"),
                                 std::string(error.what()));
            CPPUNIT_ASSERT_EQUAL(std::string("correct the service file"), error.advice());
        }
    }

    void shufflesHosts()
    {
        const std::string text = "host=/a,/b,/c,/d load_balance_hosts=random";
        if (!Libpq::writtenOptions(text))
            return; // libpq before 16
        std::set<std::string> first;
        for (int i = 0; i < 200; ++i)
            first.insert(understood(attemptsFor(text).at(0), "host"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, first.size());
    }

    static std::string ownHome() { return getpwuid(geteuid())->pw_dir; }

    void usesTheFilesOfTheUser()
    {
        const ChangedVariable home("HOME", "/home/of/nobody");
        const std::string attempt = attemptsFor("dbname=coder sslkey=/own.key").at(0);
        CPPUNIT_ASSERT_EQUAL(ownHome() + "/.pgpass", understood(attempt, "passfile"));
        CPPUNIT_ASSERT_EQUAL(ownHome() + "/.postgresql/postgresql.crt", understood(attempt, "sslcert"));
        CPPUNIT_ASSERT_EQUAL(std::string("/own.key"), understood(attempt, "sslkey"));
        CPPUNIT_ASSERT_EQUAL(ownHome() + "/.postgresql/root.crt", understood(attempt, "sslrootcert"));
        CPPUNIT_ASSERT_EQUAL(ownHome() + "/.postgresql/root.crl", understood(attempt, "sslcrl"));
        // To libpq, an empty one is that of the home.
        CPPUNIT_ASSERT_EQUAL(ownHome() + "/.postgresql/postgresql.crt",
                             understood(attemptsFor("sslcert=''").at(0), "sslcert"));
    }

    void leavesItAtTheRevocationsOfTheOperator()
    {
        CPPUNIT_ASSERT_EQUAL(std::string(), understood(attemptsFor("sslcrldir=/crl").at(0), "sslcrl"));
    }

    void givesNoVariableASay()
    {
        const std::string plain = attemptsFor("dbname=coder").at(0);
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
        CPPUNIT_ASSERT_EQUAL(std::string(), understood(plain, "sslmode"));
        const ChangedVariable outdated("PGREQUIRESSL", "1");
        CPPUNIT_ASSERT_EQUAL(std::string("prefer"), understood(attemptsFor("dbname=coder").at(0), "sslmode"));
        const ChangedVariable mode("PGSSLMODE", "disable");
        CPPUNIT_ASSERT_EQUAL(std::string("require"),
                             understood(attemptsFor("sslmode=require").at(0), "sslmode"));
    }

    void refusesAVariableThatCannotBeKeptOut()
    {
        const TemporaryDirectory directory;
        const ChangedVariable file("PGSERVICEFILE", directory.write("services", "[coder]\nhost=/a\n"));
        {
            const ChangedVariable service("PGSERVICE", "coder");
            for (const std::string text : {"dbname=coder", "service=coder"})
                expectError(text, "PGSERVICE in the environment of slurmctld names a service",
                            "unset PGSERVICE in the environment of slurmctld");
        }
        const ChangedVariable mode("PGSSLMODE", "disable");
        expectError("service=coder", "PGSSLMODE in the environment of slurmctld would decide sslmode",
                    "unset PGSSLMODE in the environment of slurmctld, or say sslmode in Connection");
        expect({"/a  5432"}, "service=coder sslmode=prefer");
    }

    void refusesTheServiceFileOfAnotherHome()
    {
        const TemporaryDirectory directory;
        directory.write(".pg_service.conf", "[coder]\nhost=/a\n");
        {
            const ChangedVariable home("HOME", directory.path());
            expectError("service=coder", "HOME in the environment of slurmctld would decide the service file",
                        "unset HOME, or let PGSERVICEFILE name the service file");
            expect({"  5432"}, "dbname=coder");
            const ChangedVariable file("PGSERVICEFILE", directory.path() / ".pg_service.conf");
            expect({"/a  5432"}, "service=coder");
        }
        const TemporaryDirectory empty;
        const ChangedVariable home("HOME", empty.path());
        const ChangedVariable system("PGSYSCONFDIR", directory.path());
        directory.write("pg_service.conf", "[coder]\nhost=/b\n");
        expect({"/b  5432"}, "service=coder");
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SurroundingsTest);

} // namespace HangDetection::Test
