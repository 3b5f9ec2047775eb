#pragma once

#include "ChildProcess.h"
#include "TemporaryDirectory.h"
#include "TestDatabaseFixture.h"

namespace HangDetection::Test {

class SimulatorFixture : public TestDatabaseFixture
/// A slurm.conf and a hang_detector.conf of its own for each test, to run the simulator
/// with, and a fresh job database.
{
public:
    void setUp() override
    {
        TestDatabaseFixture::setUp();
        usePlugin(std::filesystem::path(PLUGIN).parent_path().string());
        useSettings("Interval=1\n");
    }

    void tearDown() override
    {
        _host.reset();
        TestDatabaseFixture::tearDown();
    }

protected:
    Sim::CommandLine simulator(const Sim::CommandLine& options, Sim::CommandLine wrapper = {}) const
    /// The simulator with the slurm.conf of this test, as a command. It is started by the wrapper, such
    /// as `env NAME=VALUE`, if there is one.
    {
        const std::string slurmConf = (_directory.path() / "slurm.conf").string();
        wrapper.insert(wrapper.end(), {SIMULATOR, "--slurm-conf=" + slurmConf});
        wrapper.insert(wrapper.end(), options.begin(), options.end());
        return wrapper;
    }

    Sim::CommandResult simulate(const Sim::CommandLine& options) const
    {
        return Sim::runCommand(simulator(options));
    }

    void startHost(const Sim::CommandLine& command)
    /// Starts it in the background, where it ends with the test, at the latest.
    {
        _host.reset();
        std::filesystem::remove(_directory.path() / "output");
        _host.emplace(command, _directory.path() / "output");
    }

    ChildProcess& host() { return _host.value(); }

    void expectEndOfHost(int status)
    /// Returns when it has ended, with this exit status.
    {
        const auto ended = host().waitUntilEnded(std::chrono::seconds(60));
        CPPUNIT_ASSERT_MESSAGE("it did not end:\n" + log(), ended.has_value());
        CPPUNIT_ASSERT_EQUAL_MESSAGE(log(), status, *ended);
    }

    std::string log() const override { return _directory.read("output"); }
    /// Of the host that was started last.

    void useSettings(const std::string& settings) const
    /// Writes hang_detector.conf: a Connection to the database of this test, then this.
    {
        _directory.write("hang_detector.conf", "Connection=" + connectionString() + "\n" + settings);
    }

    void usePlugin(const std::string& directory) const
    /// Writes slurm.conf with this PluginDir.
    {
        _directory.write("slurm.conf", "PluginDir=" + directory + "\nJobSubmitPlugins=hang_detector\n");
    }

    const TemporaryDirectory& directory() const { return _directory; }

    static void assertContains(const std::string& expected, const Sim::CommandResult& result)
    {
        Test::assertContains(expected, result.output);
    }

    static void assertStatus(int expected, const Sim::CommandResult& result)
    {
        CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, expected, result.exitStatus);
    }

    static void assertFailed(const std::string& expected, const Sim::CommandResult& result)
    /// With status 1, and this in its output.
    {
        assertStatus(1, result);
        assertContains(expected, result);
    }

private:
    const TemporaryDirectory _directory;
    std::optional<ChildProcess> _host;
};

} // namespace HangDetection::Test
