#include "SimulatorFixture.h"

#include <csignal>
#include <set>
#include <sstream>

namespace HangDetection::Test {

class PluginLoadingTest : public SimulatorFixture
{
    TEST_SUITE(PluginLoadingTest);

    TEST(exportsTheInterfaceAndNothingElse)
    {
        std::istringstream lines(Sim::mustRun({NM, "-D", "--defined-only", "--format=posix", PLUGIN}));
        std::set<std::string> symbols;
        for (std::string line; std::getline(lines, line);)
            symbols.insert(line.substr(0, line.find(' ')));
        const std::set<std::string> expected{"plugin_name", "plugin_type", "plugin_version", "init",
                                             "fini",        "job_submit",  "job_modify"};
        CPPUNIT_ASSERT(symbols == expected);
    }

    TEST(staysMappedAndLeavesSlurmToTheHost)
    /// After it was closed, its last thread may still be at work.
    {
        const std::string dynamic = Sim::mustRun({"readelf", "-d", PLUGIN});
        Test::assertContains("NODELETE", dynamic);
        assertLacks("libslurm", dynamic);
    }

    static std::string badPlugin(const std::string& name) { return std::string(BAD_PLUGINS) + "/" + name; }

    std::string refusalOf(const std::string& pluginDirectory, const std::string& expected) const
    {
        usePlugin(pluginDirectory);
        const auto result = simulate({"--duration=1"});
        assertFailed(expected, result);
        return result.output;
    }

    TEST(refusesABadPlugin)
    /// PluginDir is searched from the left.
    {
        const std::string own = directory().path().string();
        refusalOf("/nowhere:" + own, "PluginDir: /nowhere is not a directory");
        refusalOf(own, "job_submit_hang_detector.so is not in PluginDir (" + own + ")");

        const struct
        {
            const char* name;
            const char* reason;
            bool isInitCalled;
        } plugins[] = {
            {"wrong-type", "is of type job_submit/other, not job_submit/hang_detector", false},
            {"wrong-version", "was built for Slurm ", false},
            {"without-type", "the symbol plugin_type is missing", false},
            // slurmctld looks for it last.
            {"without-job-modify", "the symbol job_modify is missing", true},
            {"failing-init", "init failed; slurmctld would not start", true},
        };
        for (const auto& [name, reason, isInitCalled] : plugins) {
            const std::string output =
                refusalOf(own + ":" + badPlugin(name) + ":" + badPlugin("failing-init"),
                          badPlugin(name) + "/job_submit_hang_detector.so: " + reason);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(output, isInitCalled, contains("init was called", output));
            if (std::string(name) == "failing-init")
                assertLacks("fini was called", output);
        }
        directory().write("job_submit_hang_detector.so", "no library");
        refusalOf(own, "cannot be opened: " + own + "/job_submit_hang_detector.so");
    }

    TEST(refusesAPluginThatSlurmConfDoesNotName)
    {
        directory().write("slurm.conf", "PluginDir=/\nJobSubmitPlugins=lua,other_hang_detector\n");
        assertFailed(
            "slurm.conf: JobSubmitPlugins does not name hang_detector; add JobSubmitPlugins=hang_detector",
            simulate({"--duration=1"}));
    }

    TEST(takesSettingsFromAnotherPlace)
    {
        const auto other =
            directory().write("other.conf", "Connection=" + connectionString() + "\nNonsense=1\n");
        directory().write("slurm.conf", "PluginDir=" + std::filesystem::path(PLUGIN).parent_path().string() +
                                            "\nJobSubmitPlugins=lua,job_submit/hang_detector\n"
                                            "SlurmctldParameters=x=y,hang_detector_conf=" +
                                            other.string() + "\n");
        assertFailed(other.string() + ":2: Nonsense: is not a known key", simulate({"--runs=1"}));
    }

    static std::size_t starts(const std::string& output) { return count(output, "hang_detector: started"); }

    TEST(loadsAndUnloadsFiftyTimes)
    {
        const auto result = simulate({"--load-cycles=50"});
        assertStatus(0, result);
        assertContains("50 load cycles", result);
        CPPUNIT_ASSERT_EQUAL(std::size_t{50}, starts(result.output));
        assertLacks("error", result.output);
    }

    TEST(saysHowOftenItHasLoadedWhenItIsInterrupted)
    {
        startHost(simulator({"--load-cycles=1000000"}));
        await([this] { return starts(log()) >= 3; }, std::chrono::seconds(60));
        kill(host().id(), SIGINT);
        expectEndOfHost(130);
        const std::string expected =
            "interrupted after " + std::to_string(starts(log())) + " of 1000000 load cycles\n";
        CPPUNIT_ASSERT_MESSAGE(expected + "is not the end of\n" + log(), log().ends_with(expected));
    }
};

} // namespace HangDetection::Test
