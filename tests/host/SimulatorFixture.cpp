#include "SimulatorFixture.h"

#include <cppunit/TestAssert.h>

#include <filesystem>

namespace HangDetection::Test {

void SimulatorFixture::setUp()
{
    _directory = std::make_unique<TemporaryDirectory>();
    _testDatabase = std::make_unique<TestDatabase>();
    usePlugin(std::filesystem::path(PLUGIN).parent_path().string());
    useSettings("Interval=1\n");
}

void SimulatorFixture::tearDown()
{
    _testDatabase.reset();
    _directory.reset();
}

Sim::CommandLine SimulatorFixture::simulator(const Sim::CommandLine& options) const
{
    Sim::CommandLine command{SIMULATOR, "--slurm-conf=" + (_directory->path() / "slurm.conf").string()};
    command.insert(command.end(), options.begin(), options.end());
    return command;
}

Sim::CommandResult SimulatorFixture::simulate(const Sim::CommandLine& options) const
{
    return Sim::runCommand(simulator(options));
}

void SimulatorFixture::useSettings(const std::string& settings) const
{
    _directory->write("hang_detector.conf", "Connection=" + connectionString() + "\n" + settings);
}

void SimulatorFixture::usePlugin(const std::string& directory, const std::string& cluster) const
{
    _directory->write("slurm.conf", "ClusterName=" + cluster + "\nPluginDir=" + directory +
                                        "\nJobSubmitPlugins=hang_detector\n");
}

void SimulatorFixture::assertContains(const std::string& expected, const Sim::CommandResult& result)
{
    CPPUNIT_ASSERT_MESSAGE("'" + expected + "' is not in:\n" + result.output,
                           result.output.find(expected) != std::string::npos);
}

void SimulatorFixture::assertStatus(int expected, const Sim::CommandResult& result)
{
    CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, expected, result.exitStatus);
}

} // namespace HangDetection::Test
