#pragma once

#include "Command.h"
#include "TemporaryDirectory.h"
#include "TestDatabase.h"

#include <cppunit/TestFixture.h>

#include <memory>
#include <string>

namespace HangDetection::Test {

class SimulatorFixture : public CppUnit::TestFixture
/// A slurm.conf and a hang_detector.conf of its own for each test, to run the simulator
/// with, and a fresh job database.
{
public:
    void setUp() override;
    void tearDown() override;

protected:
    Sim::CommandLine simulator(const Sim::CommandLine& options) const;
    /// The simulator with the slurm.conf of this test, as a command.

    Sim::CommandResult simulate(const Sim::CommandLine& options) const;
    /// Runs it.

    void useSettings(const std::string& settings) const;
    /// Writes hang_detector.conf: a Connection to the database of this test, then this.

    void usePlugin(const std::string& directory, const std::string& cluster = "test") const;
    /// Writes slurm.conf with this PluginDir and ClusterName.

    static Sim::ThrowawayPostgres& server() { return TestDatabase::server(); }

    TestDatabase& testDatabase() { return *_testDatabase; }

    void reconnect() { _testDatabase->reconnect(); }
    /// A new session of the test itself, when the server was away.

    Sim::JobDatabase& database() { return _testDatabase->session(); }

    const TemporaryDirectory& directory() const { return *_directory; }

    const std::string& databaseName() const { return _testDatabase->name(); }

    std::string connectionString() const { return _testDatabase->connectionString(); }

    static void assertContains(const std::string& expected, const Sim::CommandResult& result);
    static void assertStatus(int expected, const Sim::CommandResult& result);

private:
    std::unique_ptr<TemporaryDirectory> _directory;
    std::unique_ptr<TestDatabase> _testDatabase;
};

} // namespace HangDetection::Test
