// The plugin stops in time, by fini, after which its host goes on, and by an exit() without
// fini, in each fault of the database and the network, when the plugin is known to have met it.

#include "ProcessState.h"
#include "ServerLog.h"
#include "SimulatorFixture.h"
#include "StopInTime.h"
#include "StopUnderFault.h"

#include <algorithm>
#include <csignal>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class StopTest : public SimulatorFixture, private StopUnderFault
{
    TEST_SUITE(StopTest);

    TEST(stopsWhileIdle)
    {
        atBothEnds([this] {
            start("", "1h");
            awaitWork();
            return expectStop();
        });
    }

    TEST_FOR_EACH(stopsUnderFault(), stopsUnder)(const StopRow& row)
    {
        prepare(row, server(), testDatabase());
        atBothEnds([this] { return stop(); });
    }

    void atBothEnds(const std::function<std::chrono::milliseconds()>& stopInAState)
    /// The function returns how long the stop took.
    {
        auto longest = 0ms;
        for (const bool withFini : {true, false}) {
            _endsWithFini = withFini;
            longest = std::max(longest, stopInTime([&] {
                                   const auto took = stopInAState();
                                   expectNoSession();
                                   return took;
                               }));
        }
        figure() << CurrentTest::name() << " by fini and by exit() within " << longest.count() << " ms\n";
    }

    void start(const std::string& options, const std::string& interval) override
    {
        directory().write("hang_detector.conf", "Connection=" + connectionString() + " application_name=" +
                                                    application + options + "\nInterval=" + interval + "\n");
        startHost(_endsWithFini
                      ? Sim::CommandLine{OBEDIENT_HOST, (directory().path() / "slurm.conf").string()}
                      : simulator({"--verbose", "--exit-without-fini"}));
    }

    void awaitWork() override { awaitLog("hang_detector: run finished", 1); }

    void awaitLog(const std::string& text, std::size_t lines) override
    {
        await([&] { return count(log(), text) >= lines; });
    }

    std::chrono::milliseconds expectStopOfHeldRun(bool isAnswered) override
    {
        return isAnswered ? expectRunCanceled() : expectRunCutOff();
    }

    std::chrono::milliseconds expectStop() override
    {
        const auto asked = Clock::now();
        if (_endsWithFini) {
            kill(host().id(), SIGHUP);
            // Before that the thread may not have its name yet.
            awaitLog("unloaded in ", 1);
            await([this] { return !threadsOf(host().id()).contains("hang_detector"); });
        } else {
            expectEnd();
        }
        const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - asked);
        if (_endsWithFini)
            expectEnd();
        return took;
    }

    void expectEnd()
    {
        kill(host().id(), SIGTERM);
        expectEndOfHost(0);
    }

    std::chrono::milliseconds expectRunCutOff()
    /// A stop in which the run has ended before the process, which would also end without that.
    {
        const auto took = expectStop();
        if (took < promisedStop)
            CPPUNIT_ASSERT_MESSAGE(log(), count(log(), "hang_detector: run stopped") == 1);
        return took;
    }

    std::chrono::milliseconds expectRunCanceled()
    /// A server does not see that its client has gone, and would go on with the statement.
    {
        const std::size_t before = cancellations(server());
        const auto took = expectRunCutOff();
        await([&] { return cancellations(server()) == before + 1; });
        expectNoSession();
        return took;
    }

    void expectNoSession()
    {
        await([this] { return !testDatabase().hasSessionOf(application); });
    }

    std::string log() const override { return SimulatorFixture::log(); }

    using Clock = std::chrono::steady_clock;

    static constexpr const char* application = "detector_that_stops";

    bool _endsWithFini = true;
};

} // namespace HangDetection::Test
