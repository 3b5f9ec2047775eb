#include "Standby.h"
#include "DatabaseFixture.h"
#include "Eventually.h"

namespace HangDetection::Test {

class StandbyTest : public DatabaseFixture
/// A server with a hot standby, which can record no failure.
{
    CPPUNIT_TEST_SUITE(StandbyTest);
    CPPUNIT_TEST(asksForThePrimaryOnAStandbyThatWasAcceptedAsAServer);
    CPPUNIT_TEST(tellsThatThePrimaryOfTwoHostsIsDown);
    CPPUNIT_TEST(terminatesOnThePrimaryOfTwoHosts);
    CPPUNIT_TEST_SUITE_END();

    void asksForThePrimaryOnAStandbyThatWasAcceptedAsAServer()
    {
        const Standby standby(server());
        connectTo(standby.directory().string(), " target_session_attrs=any");
        const std::string job = addHungJob();
        const Text before = jobRow(job);
        Sim::JobDatabase session(connectionString() + " host=" + standby.directory().string() +
                                 " target_session_attrs=any");
        CPPUNIT_ASSERT(eventually(patience, [&] {
            return session.isTrue("SELECT EXISTS (SELECT FROM provisioner_jobs WHERE id = $1::uuid)", job);
        }));
        expectError("read-only transaction", "25006", "let Connection name the primary");
        CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
    }

    void tellsThatThePrimaryOfTwoHostsIsDown()
    {
        const Standby standby(server());
        connectTo(standby.directory().string() + ",/nowhere/to/be/found");
        expectError("read-only", "", "check Connection in hang_detector.conf, the network");
    }

    void terminatesOnThePrimaryOfTwoHosts()
    {
        const Standby standby(server());
        connectTo(standby.directory().string() + ',' + server().directory().string());
        const std::string job = addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        CPPUNIT_ASSERT(isCompleted(job));
    }

    void connectTo(const std::string& hosts, const std::string& options = "")
    {
        // The last host of a connection string counts.
        settings().connection =
            ConnectionString::parse(connectionString(detectorRole) + " host=" + hosts + options);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StandbyTest);

} // namespace HangDetection::Test
