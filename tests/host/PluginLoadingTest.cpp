#include "ChildProcess.h"
#include "Count.h"
#include "Eventually.h"
#include "SimulatorFixture.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <csignal>
#include <string>

namespace HangDetection::Test {

class PluginLoadingTest : public SimulatorFixture
{
    CPPUNIT_TEST_SUITE(PluginLoadingTest);
    CPPUNIT_TEST(refusesAMissingFile);
    CPPUNIT_TEST(refusesAFileThatIsNoLibrary);
    CPPUNIT_TEST(refusesAnotherType);
    CPPUNIT_TEST(refusesAnotherVersion);
    CPPUNIT_TEST(refusesAPluginWithoutAType);
    CPPUNIT_TEST(refusesAPluginWithoutJobModify);
    CPPUNIT_TEST(refusesAnInitThatFails);
    CPPUNIT_TEST(refusesAPluginThatSlurmConfDoesNotName);
    CPPUNIT_TEST(refusesAPluginDirThatIsNotThere);
    CPPUNIT_TEST(searchesPluginDirFromTheLeft);
    CPPUNIT_TEST(refusesWrongSettings);
    CPPUNIT_TEST(takesSettingsFromAnotherPlace);
    CPPUNIT_TEST(loadsAndUnloadsFiftyTimes);
    CPPUNIT_TEST(saysHowOftenItHasLoadedWhenItIsInterrupted);
    CPPUNIT_TEST_SUITE_END();

    static std::string badPlugin(const std::string& name) { return std::string(BAD_PLUGINS) + "/" + name; }

    static std::string fileOf(const std::string& pluginDirectory)
    {
        return pluginDirectory + "/job_submit_hang_detector.so";
    }

    static void assertInitCalled(bool expected, const Sim::CommandResult& result)
    {
        CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, expected,
                                     result.output.find("init was called") != std::string::npos);
    }

    Sim::CommandResult loadFrom(const std::string& pluginDirectory) const
    {
        usePlugin(pluginDirectory);
        return simulate({"--duration=1"});
    }

    void refusesAMissingFile()
    {
        const std::string empty = directory().path().string();
        const auto result = loadFrom(empty);
        assertStatus(1, result);
        assertContains("job_submit_hang_detector.so is not in PluginDir (" + empty + ")", result);
    }

    void refusesAFileThatIsNoLibrary()
    {
        directory().write("job_submit_hang_detector.so", "no library");
        const auto result = loadFrom(directory().path().string());
        assertStatus(1, result);
        assertContains("cannot be opened: " + fileOf(directory().path().string()), result);
    }

    void refusesAnotherType()
    {
        const auto result = loadFrom(badPlugin("wrong-type"));
        assertStatus(1, result);
        assertContains(fileOf(badPlugin("wrong-type")) +
                           ": is of type job_submit/other, not job_submit/hang_detector",
                       result);
        assertInitCalled(false, result);
    }

    void refusesAnotherVersion()
    {
        const auto result = loadFrom(badPlugin("wrong-version"));
        assertStatus(1, result);
        assertContains(fileOf(badPlugin("wrong-version")) + ": was built for Slurm ", result);
        assertInitCalled(false, result);
    }

    void refusesAPluginWithoutAType()
    {
        const auto result = loadFrom(badPlugin("without-type"));
        assertStatus(1, result);
        assertContains(fileOf(badPlugin("without-type")) + ": the symbol plugin_type is missing", result);
        assertInitCalled(false, result);
    }

    void refusesAPluginWithoutJobModify()
    {
        const auto result = loadFrom(badPlugin("without-job-modify"));
        assertStatus(1, result);
        assertContains(fileOf(badPlugin("without-job-modify")) + ": the symbol job_modify is missing",
                       result);
        // slurmctld looks for them last.
        assertInitCalled(true, result);
    }

    void refusesAnInitThatFails()
    {
        const auto result = loadFrom(badPlugin("failing-init"));
        assertStatus(1, result);
        assertContains(fileOf(badPlugin("failing-init")) + ": init failed; slurmctld would not start",
                       result);
        CPPUNIT_ASSERT(result.output.find("fini was called") == std::string::npos);
    }

    void refusesAPluginThatSlurmConfDoesNotName()
    {
        directory().write("slurm.conf", "PluginDir=/\nJobSubmitPlugins=lua,other_hang_detector\n");
        const auto result = simulate({"--duration=1"});
        assertStatus(1, result);
        assertContains(
            "slurm.conf: JobSubmitPlugins does not name hang_detector; add JobSubmitPlugins=hang_detector",
            result);
    }

    void refusesAPluginDirThatIsNotThere()
    {
        const auto result = loadFrom("/nowhere:" + std::string(BAD_PLUGINS));
        assertStatus(1, result);
        assertContains("PluginDir: /nowhere is not a directory", result);
    }

    void searchesPluginDirFromTheLeft()
    {
        const auto result = loadFrom(directory().path().string() + ":" + badPlugin("wrong-type") + ":" +
                                     badPlugin("failing-init"));
        assertContains(fileOf(badPlugin("wrong-type")), result);
    }

    void refusesWrongSettings()
    {
        useSettings("Interval=5x\n");
        const auto result = simulate({"--duration=1"});
        assertStatus(1, result);
        assertContains(
            "error: job_submit/hang_detector: " + (directory().path() / "hang_detector.conf").string() +
                ":2: Interval: '5x' is not a duration; allowed: 1s to 1h",
            result);
        assertContains("init failed; slurmctld would not start", result);
    }

    void takesSettingsFromAnotherPlace()
    {
        const auto other =
            directory().write("other.conf", "Connection=" + connectionString() + "\nNonsense=1\n");
        directory().write("slurm.conf", "PluginDir=" + std::filesystem::path(PLUGIN).parent_path().string() +
                                            "\nJobSubmitPlugins=lua,job_submit/hang_detector\n"
                                            "SlurmctldParameters=x=y,hang_detector_conf=" +
                                            other.string() + "\n");
        const auto result = simulate({"--duration=1"});
        assertStatus(1, result);
        assertContains(other.string() + ":2: Nonsense: is not a known key", result);
    }

    static std::size_t starts(const std::string& output) { return count(output, "hang_detector: started"); }

    void loadsAndUnloadsFiftyTimes()
    {
        const auto result = simulate({"--load-cycles=50"});
        assertStatus(0, result);
        assertContains("50 load cycles", result);
        CPPUNIT_ASSERT_EQUAL(std::size_t{50}, starts(result.output));
        CPPUNIT_ASSERT(result.output.find("error") == std::string::npos);
    }

    void saysHowOftenItHasLoadedWhenItIsInterrupted()
    {
        constexpr std::chrono::seconds patience{60};
        ChildProcess process(simulator({"--load-cycles=1000000"}), directory().path() / "output");
        CPPUNIT_ASSERT(eventually(patience, [&] { return starts(directory().read("output")) >= 3; }));
        kill(process.id(), SIGINT);
        const auto status = process.waitUntilEnded(patience);
        const std::string output = directory().read("output");
        CPPUNIT_ASSERT_MESSAGE(output, status.has_value());
        CPPUNIT_ASSERT_EQUAL_MESSAGE(output, 130, *status);
        const std::string expected =
            "interrupted after " + std::to_string(starts(output)) + " of 1000000 load cycles\n";
        CPPUNIT_ASSERT_MESSAGE(expected + "is not the end of\n" + output, output.ends_with(expected));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PluginLoadingTest);

} // namespace HangDetection::Test
