// scontrol reconfigure while a run of the detector is blocked: slurmctld holds its locks
// meanwhile, and calls fini with them when the plugin is no longer on the list. From 23.11 on
// it starts again instead.

#include "Figure.h"
#include "FrozenServer.h"
#include "HeldTerminations.h"
#include "SlurmFixture.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <optional>
#include <string>

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
        _held.emplace(database());
        cluster().startController();
        awaitWaitingFor(HeldTerminations::waitEvent);
    }

    void tearDown() override
    {
        _held.reset();
        SlurmFixture::tearDown();
    }

    CPPUNIT_TEST_SUITE(ReconfigureTest);
    CPPUNIT_TEST(leavesABlockedRunAlone);
    CPPUNIT_TEST(isNotHeldUpWhenThePluginIsTakenOutOfAFrozenDatabase);
    CPPUNIT_TEST_SUITE_END();

    void leavesABlockedRunAlone()
    /// And a detector that is idle.
    {
        reconfigure();
        awaitWaitingFor(HeldTerminations::waitEvent);
        CPPUNIT_ASSERT(!isTerminated(_job));
        _held->end();
        waitUntilTerminated(_job);
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, database().logs(_job).size());
        reconfigure();
        waitUntilTerminated(database().addJob());
        CPPUNIT_ASSERT_EQUAL(std::size_t{SlurmCluster::isReconfiguredByStart() ? 3U : 1U},
                             startsOfDetector());
    }

    void isNotHeldUpWhenThePluginIsTakenOutOfAFrozenDatabase()
    /// The run is cut off and has changed nothing; a plugin that is put on the list goes on. Where
    /// slurmctld starts again, the server holds on to the statement of a client that is gone.
    {
        {
            const FrozenServer frozen(server());
            usePlugins("");
        }
        if (!SlurmCluster::isReconfiguredByStart())
            await("the end of the connection", [this] { return !isDetectorConnected(); });
        CPPUNIT_ASSERT(!isTerminated(_job));
        _held->end();
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

    /// Without an end of the hold, a run goes on for the five minutes of RunTimeout.
    static constexpr auto longestReconfigure = 20s;

    std::string _job;
    std::optional<HeldTerminations> _held;
};

CPPUNIT_TEST_SUITE_REGISTRATION(ReconfigureTest);

} // namespace HangDetection::Test
