#pragma once

#include "SlurmCluster.h"
#include "TestDatabase.h"

#include <cppunit/TestFixture.h>

#include <memory>
#include <string>

namespace HangDetection::Test {

class SlurmFixture : public CppUnit::TestFixture
/// What the suites have in common: for each test a cluster and a job database of its
/// own. hang_detector.conf names that database and
/// has the detector run every second. Nothing of Slurm runs yet.
{
public:
    void setUp() override;
    void tearDown() override;

protected:
    SlurmCluster& cluster() { return *_cluster; }

    static Sim::ThrowawayPostgres& server() { return TestDatabase::server(); }

    TestDatabase& testDatabase() { return *_testDatabase; }

    Sim::JobDatabase& database() { return _testDatabase->session(); }

    void reconnect() { _testDatabase->reconnect(); }
    /// Connects database() anew, after the server was stopped.

    std::string connectionString() const { return _testDatabase->connectionString(); }
    /// A libpq connection string for the database of the test.

    std::string settings();
    /// The text of hang_detector.conf that setUp wrote.

    bool isTerminated(const std::string& jobId);
    void waitUntilTerminated(const std::string& jobId);
    /// Throws std::runtime_error with slurmctld's log when that takes too long.

    void awaitWaitingFor(const std::string& event);
    /// Until a session waits for that event of PostgreSQL. Throws as waitUntilTerminated.

    bool isDetectorConnected();
    /// Whether a session of the detector is at the database of the test.

private:
    std::unique_ptr<SlurmCluster> _cluster;
    std::unique_ptr<TestDatabase> _testDatabase;
};

} // namespace HangDetection::Test
