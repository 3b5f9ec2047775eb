#pragma once

#include "Contains.h"
#include "Eventually.h"
#include "SlurmCluster.h"
#include "TestDatabase.h"

#include <cppunit/TestFixture.h>

#include <chrono>
#include <memory>
#include <string>

namespace HangDetection::Test {

class SlurmFixture : public CppUnit::TestFixture
/// For each test a cluster and a job database of its own. hang_detector.conf names that database and
/// has the detector run every second. Nothing of Slurm runs yet.
{
public:
    void setUp() override
    {
        _cluster = std::make_unique<SlurmCluster>();
        _testDatabase = std::make_unique<TestDatabase>();
        cluster().writeSettings(settings());
    }

    void tearDown() override
    {
        _cluster.reset();
        _testDatabase.reset();
    }

protected:
    SlurmCluster& cluster() { return *_cluster; }

    static Sim::ThrowawayPostgres& server() { return TestDatabase::server(); }

    TestDatabase& testDatabase() { return *_testDatabase; }

    Sim::JobDatabase& database() { return _testDatabase->session(); }

    void reconnect() { _testDatabase->reconnect(); }
    /// Connects database() anew, after the server was stopped.

    std::string connectionString() const { return _testDatabase->connectionString(); }
    /// A libpq connection string for the database of the test.

    std::string settings() const
    /// The text of hang_detector.conf that setUp wrote.
    {
        // The sessions of the test have the detector's own default for the name.
        return "Connection=" + connectionString() + " application_name=detector_in_slurmctld\nInterval=1\n";
    }

    template <typename Condition>
    void await(const std::string& what, Condition condition,
               std::chrono::seconds atMost = std::chrono::seconds(30))
    /// Fails with slurmctld's log when the condition does not come to hold.
    {
        if (!eventually(atMost, condition))
            CPPUNIT_FAIL("waited in vain for " + what + ":\n" + cluster().log());
    }

    bool isTerminated(const std::string& jobId)
    {
        return database().isTrue("SELECT completed_at IS NOT NULL FROM provisioner_jobs WHERE id = $1::uuid",
                                 jobId);
    }

    void waitUntilTerminated(const std::string& jobId)
    {
        await("the termination of " + jobId, [&] { return isTerminated(jobId); });
    }

    void awaitWaitingFor(const std::string& event)
    /// Until a session waits for that event of PostgreSQL.
    {
        await("a session in " + event, [&] { return testDatabase().isSomebodyWaitingFor(event); });
    }

    bool isDetectorConnected() { return testDatabase().hasSessionOf("detector_in_slurmctld"); }

    std::size_t startsOfDetector() { return cluster().countInLog("job_submit/hang_detector: started"); }

private:
    std::unique_ptr<SlurmCluster> _cluster;
    std::unique_ptr<TestDatabase> _testDatabase;
};

} // namespace HangDetection::Test
