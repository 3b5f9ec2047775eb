// Two controllers of one cluster, each with the plugin on the same job database: the second
// one stands by as far as Slurm is concerned, but its detector is as busy as the first.

#include "OpenTransaction.h"
#include "ServerLog.h"
#include "SlurmFixture.h"
#include "StopInTime.h"

#include <utility>

namespace HangDetection::Test {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class StandbyControllerTest : public SlurmFixture
{
public:
    void setUp() override
    {
        SlurmFixture::setUp();
        cluster().addStandby(settings());
        cluster().startController();
        cluster().startStandby();
    }

    TEST_SUITE(StandbyControllerTest);

    TEST(theStandbyStopsInTime)
    {
        bool isRunning = true;
        stopInTime([&] {
            if (!std::exchange(isRunning, false))
                cluster().startStandby();
            const OpenTransaction migration(connectionString(),
                                            "LOCK TABLE provisioner_jobs IN ACCESS EXCLUSIVE MODE");
            await("the blocked runs of both", [this] {
                return database().value("SELECT count(*) FROM pg_locks WHERE NOT granted"
                                        " AND relation = 'provisioner_jobs'::regclass") == "2";
            });
            const std::size_t before = cancellations(server());
            const auto asked = Clock::now();
            CPPUNIT_ASSERT_EQUAL_MESSAGE(cluster().standbyLog(), 0, cluster().stopStandby(10s));
            const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - asked);
            await("the cancellation", [&] { return cancellations(server()) == before + 1; });
            return took;
        });
        CPPUNIT_ASSERT(cluster().controllerAnswers());
        waitUntilTerminated(database().addJob());
    }

    TEST(theStandbyGoesOnWhenTheFirstIsKilled)
    {
        cluster().killController();
        waitUntilTerminated(database().addJob());
        cluster().run({"scontrol", "takeover"});
        await("the takeover",
              [this] { return contains("Running as primary controller", cluster().standbyLog()); });
        CPPUNIT_ASSERT(!cluster().submit("true").empty());
        waitUntilTerminated(database().addJob());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(cluster().standbyLog(), "hang_detector: started"));
        assertLacks("error: job_submit/hang_detector", cluster().standbyLog());

        const auto asked = Clock::now();
        CPPUNIT_ASSERT_EQUAL_MESSAGE(cluster().standbyLog(), 0, cluster().stopStandby(10s));
        // Six of these seconds are Slurm's own after a takeover.
        CPPUNIT_ASSERT_MESSAGE(cluster().standbyLog(), Clock::now() - asked < 9s);
    }
};

} // namespace HangDetection::Test
