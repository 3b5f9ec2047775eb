// A database that cannot be used keeps slurmctld from nothing.

#include "Eventually.h"
#include "NotificationListener.h"
#include "Outage.h"
#include "SlurmFixture.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fstream>
#include <stdexcept>
#include <string>

namespace HangDetection::Test {

using namespace std::chrono_literals;

namespace {

constexpr const char* anyFailure = "job_submit/hang_detector: run failed";
constexpr const char* toldFailure = "error: job_submit/hang_detector: run failed";

} // namespace

class DatabaseOutageTest : public SlurmFixture
{
    CPPUNIT_TEST_SUITE(DatabaseOutageTest);
    CPPUNIT_TEST(slurmctldStartsAndSchedulesWithoutDatabase);
    CPPUNIT_TEST(anOutageIsToldOnceAndSoIsItsEnd);
    CPPUNIT_TEST(aRestartOfTheDatabaseIsSurvived);
    CPPUNIT_TEST(aRefusedPasswordIsNeverTold);
    CPPUNIT_TEST_SUITE_END();

    void slurmctldStartsAndSchedulesWithoutDatabase()
    {
        const Outage outage(server());
        cluster().startController();
        cluster().startNode();
        cluster().waitForLog(toldFailure);

        cluster().waitForState(cluster().submit("true"), "COMPLETED");
        CPPUNIT_ASSERT(cluster().controllerAnswers());
    }

    void anOutageIsToldOnceAndSoIsItsEnd()
    {
        const std::string hung = database().addJob();
        cluster().configure("SlurmctldDebug", "debug");
        {
            const Outage outage(server());
            cluster().startController();
            cluster().waitForLog(anyFailure, 20s, 4);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(cluster().log(), std::size_t{1}, cluster().countInLog(toldFailure));
            cluster().waitForLog(std::string(toldFailure) + " error=\"connection to server on socket");
            CPPUNIT_ASSERT(cluster().countInLog("advice=\"check Connection in") >= 4);
        }
        reconnect();
        waitUntilTerminated(hung);
        cluster().waitForLog("] job_submit/hang_detector: database answers again failed_runs=");
        waitUntilTerminated(database().addJob());
        cluster().waitForLog("run finished terminated=1", 15s, 2);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, cluster().countInLog("database answers again"));
    }

    void aRestartOfTheDatabaseIsSurvived()
    {
        cluster().startController();
        waitUntilTerminated(database().addJob());
        {
            const Outage outage(server());
            cluster().waitForLog(toldFailure);
        }
        reconnect();
        waitUntilTerminated(database().addJob());
        cluster().waitForLog("database answers again");
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, cluster().countInLog("database answers again"));
    }

    void aRefusedPasswordIsNeverTold()
    {
        const std::string password = "Open-Sesame-4711";
        const RealPasswords refusal(*this);
        cluster().writeSettings("Connection=" + connectionString() + " password=" + password +
                                "\nInterval=1\n");
        cluster().configure("SlurmctldDebug", "debug5");
        cluster().startController();
        cluster().waitForLog("password authentication failed", 20s, 2);

        const std::string log = cluster().log();
        CPPUNIT_ASSERT_MESSAGE(log, log.find(password) == std::string::npos);
    }

    bool mayConnect()
    {
        try {
            const Sim::NotificationListener connection(connectionString());
            return true;
        } catch (const std::runtime_error&) {
            return false;
        }
    }

    class RealPasswords
    /// The server asks for a password, which no user has, as long as the object lives.
    {
    public:
        explicit RealPasswords(DatabaseOutageTest& test) : _test(test)
        {
            demand("scram-sha-256");
            CPPUNIT_ASSERT(eventually(10s, [this] { return !_test.mayConnect(); }));
        }

        ~RealPasswords()
        {
            try {
                demand("trust");
                eventually(10s, [this] { return _test.mayConnect(); });
            } catch (...) {
                // The next use of the server tells.
            }
        }

        RealPasswords(const RealPasswords&) = delete;
        RealPasswords& operator=(const RealPasswords&) = delete;

    private:
        void demand(const char* method)
        {
            std::ofstream(_test.server().directory() / "data/pg_hba.conf")
                << "local all all " << method << '\n';
            _test.database().execute("SELECT pg_reload_conf()");
        }

        DatabaseOutageTest& _test;
    };
};

CPPUNIT_TEST_SUITE_REGISTRATION(DatabaseOutageTest);

} // namespace HangDetection::Test
