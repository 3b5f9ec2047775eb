// A database that cannot be used keeps slurmctld from nothing.

#include "HbaRule.h"
#include "Outage.h"
#include "SlurmFixture.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class DatabaseOutageTest : public SlurmFixture
{
    CPPUNIT_TEST_SUITE(DatabaseOutageTest);
    CPPUNIT_TEST(eachOutageIsLoggedOnceAndSoIsItsEnd);
    CPPUNIT_TEST(aRefusedPasswordIsNeverLogged);
    CPPUNIT_TEST_SUITE_END();

    void eachOutageIsLoggedOnceAndSoIsItsEnd()
    {
        const std::string anyFailure = "job_submit/hang_detector: run failed";
        const std::string firstFailure = "error: " + anyFailure;
        const std::string hung = database().addJob();
        cluster().configure("SlurmctldDebug", "debug");
        {
            const Outage outage(server());
            cluster().startController();
            cluster().startNode();
            cluster().waitForState(cluster().submit("true"), "COMPLETED");
            CPPUNIT_ASSERT(cluster().controllerAnswers());

            cluster().waitForLog(anyFailure, 20s, 4);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(cluster().log(), std::size_t{1}, cluster().countInLog(firstFailure));
            cluster().waitForLog(firstFailure + " error=\"connection to server on socket");
            CPPUNIT_ASSERT(cluster().countInLog("advice=\"check Connection in") >= 4);
        }
        reconnect();
        waitUntilTerminated(hung);
        cluster().waitForLog("] job_submit/hang_detector: database answers again failed_runs=");
        waitUntilTerminated(database().addJob());
        cluster().waitForLog("run finished terminated=1", 15s, 2);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, cluster().countInLog("database answers again"));
        {
            const Outage outage(server());
            cluster().waitForLog(firstFailure, 15s, 2);
        }
        reconnect();
        waitUntilTerminated(database().addJob());
        cluster().waitForLog("database answers again", 15s, 2);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, cluster().countInLog("database answers again"));
    }

    void aRefusedPasswordIsNeverLogged()
    {
        const std::string password = "Open-Sesame-4711";
        database().execute("CREATE ROLE without_password LOGIN");
        const HbaRule rule(server(), "local all without_password scram-sha-256");
        cluster().writeSettings("Connection=" + connectionString() +
                                " user=without_password password=" + password + "\nInterval=1\n");
        cluster().configure("SlurmctldDebug", "debug5");
        cluster().startController();
        cluster().waitForLog("password authentication failed", 20s, 2);
        assertLacks(password, cluster().log());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DatabaseOutageTest);

} // namespace HangDetection::Test
