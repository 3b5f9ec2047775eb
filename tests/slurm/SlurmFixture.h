#pragma once

#include "SlurmCluster.h"
#include "TestDatabaseFixture.h"

#include <memory>

namespace HangDetection::Test {

class SlurmFixture : public TestDatabaseFixture
/// For each test a cluster and a job database of its own. hang_detector.conf names that database and
/// has the detector run every second. Nothing of Slurm runs yet.
{
public:
    void setUp() override
    {
        _cluster = std::make_unique<SlurmCluster>();
        TestDatabaseFixture::setUp();
        cluster().writeSettings(settings());
    }

    void tearDown() override
    {
        _cluster.reset();
        TestDatabaseFixture::tearDown();
    }

protected:
    SlurmCluster& cluster() { return *_cluster; }

    std::string log() const override { return _cluster->log(); }

    std::string settings() const
    /// The text of hang_detector.conf that setUp wrote.
    {
        // The sessions of the test have the detector's own default for the name.
        return "Connection=" + connectionString() + " application_name=detector_in_slurmctld\nInterval=1\n";
    }

    template <typename Condition>
    void await(const std::string& what, Condition condition)
    /// Fails with slurmctld's log when the condition does not come to hold.
    {
        if (!eventually(patience, condition))
            CPPUNIT_FAIL("waited in vain for " + what + ":\n" + log());
    }

    void waitUntilTerminated(const std::string& jobId)
    {
        await("the termination of " + jobId, [&] { return isCompleted(jobId); });
    }

    bool isDetectorConnected() { return testDatabase().hasSessionOf("detector_in_slurmctld"); }

    std::size_t startsOfDetector() { return cluster().countInLog("job_submit/hang_detector: started"); }

private:
    std::unique_ptr<SlurmCluster> _cluster;
};

} // namespace HangDetection::Test
