// scontrol reconfigure while a run of the detector is blocked: slurmctld holds its locks
// meanwhile, and calls fini with them when the plugin is no longer on the list. From 23.11 on
// it starts again instead.

#include "Figure.h"
#include "ServerFaults.h"
#include "SlurmFixture.h"
#include "TerminationFaults.h"

#include <slurm/slurm.h>

namespace HangDetection::Test {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class ReconfigureTest : public SlurmFixture
{
public:
    void setUp() override
    {
        SlurmFixture::setUp();
        _job = database().addJob();
        holdTerminations(database());
        cluster().startController();
        awaitWaitingFor("PgSleep");
    }

    TEST_SUITE(ReconfigureTest);

    TEST(leavesABlockedRunAlone)
    /// And a detector that is idle.
    {
        reconfigure();
        awaitWaitingFor("PgSleep");
        CPPUNIT_ASSERT(!isCompleted(_job));
        holdTerminationsNoMore(database());
        waitUntilTerminated(_job);
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, database().logs(_job).size());
        reconfigure();
        waitUntilTerminated(database().addJob());
        CPPUNIT_ASSERT_EQUAL(std::size_t{isReconfiguredByStart ? 3U : 1U}, startsOfDetector());
    }

    TEST(isNotHeldUpWhenThePluginIsTakenOutOfAFrozenDatabase)
    /// The run is cut off and has changed nothing; a plugin that is put on the list goes on. Where
    /// slurmctld starts again, the server holds on to the statement of a client that is gone.
    {
        {
            const FrozenServer frozen(server());
            usePlugins("");
        }
        if (!isReconfiguredByStart)
            await("the end of the connection", [this] { return !isDetectorConnected(); });
        CPPUNIT_ASSERT(!isCompleted(_job));
        holdTerminationsNoMore(database());
        usePlugins("hang_detector");
        waitUntilTerminated(_job);
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, database().logs(_job).size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, startsOfDetector());
    }

    void usePlugins(const std::string& names)
    {
        cluster().configure("JobSubmitPlugins", names);
        reconfigure();
    }

    void reconfigure()
    /// Slurm goes on with its work.
    {
        const auto asked = Clock::now();
        cluster().reconfigure();
        const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - asked);
        CPPUNIT_ASSERT_MESSAGE("took " + std::to_string(took.count()) + " ms\n" + cluster().log(),
                               took < longestReconfigure);
        figure() << "reconfigured in " << took.count() << " ms\n";
        CPPUNIT_ASSERT(cluster().controllerAnswers());
        CPPUNIT_ASSERT(!cluster().submit("true").empty());
    }

    /// Whether this release starts slurmctld anew, as the same process. Then fini is not called, and the
    /// plugin's connection ends in the middle of a statement. Otherwise the plugin goes on, or fini is
    /// called when it is taken out.
    static constexpr bool isReconfiguredByStart = SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(23, 11, 0);

    /// Without an end of the hold, a run goes on for the five minutes of RunTimeout.
    static constexpr auto longestReconfigure = 20s;

    std::string _job;
};

} // namespace HangDetection::Test
