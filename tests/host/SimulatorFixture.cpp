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
    _host.reset();
    _testDatabase.reset();
    _directory.reset();
}

Sim::CommandLine SimulatorFixture::simulator(const Sim::CommandLine& options, Sim::CommandLine wrapper) const
{
    wrapper.insert(wrapper.end(),
                   {SIMULATOR, "--slurm-conf=" + (_directory->path() / "slurm.conf").string()});
    wrapper.insert(wrapper.end(), options.begin(), options.end());
    return wrapper;
}

Sim::CommandResult SimulatorFixture::simulate(const Sim::CommandLine& options) const
{
    return Sim::runCommand(simulator(options));
}

void SimulatorFixture::startHost(const Sim::CommandLine& command)
{
    _host.reset();
    std::filesystem::remove(_directory->path() / "output");
    _host.emplace(command, _directory->path() / "output");
}

void SimulatorFixture::expectEndOfHost(int status)
{
    const auto ended = host().waitUntilEnded(std::chrono::seconds(60));
    CPPUNIT_ASSERT_MESSAGE("it did not end:\n" + output(), ended.has_value());
    CPPUNIT_ASSERT_EQUAL_MESSAGE(output(), status, *ended);
}

bool SimulatorFixture::isTerminated(const std::string& jobId)
{
    return database().isTrue("SELECT completed_at IS NOT NULL FROM provisioner_jobs WHERE id = $1::uuid",
                             jobId);
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
    Test::assertContains(expected, result.output);
}

void SimulatorFixture::assertStatus(int expected, const Sim::CommandResult& result)
{
    CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, expected, result.exitStatus);
}

} // namespace HangDetection::Test
