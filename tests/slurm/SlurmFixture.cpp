#include "SlurmFixture.h"

namespace HangDetection::Test {

void SlurmFixture::setUp()
{
    _cluster = std::make_unique<SlurmCluster>();
    _testDatabase = std::make_unique<TestDatabase>();
    cluster().writeSettings(settings());
}

void SlurmFixture::tearDown()
{
    _cluster.reset();
    _testDatabase.reset();
}

std::string SlurmFixture::settings()
{
    // The sessions of the test have the detector's own default for the name.
    return "Connection=" + connectionString() + " application_name=detector_in_slurmctld\nInterval=1\n";
}

bool SlurmFixture::isTerminated(const std::string& jobId)
{
    return database().isTrue("SELECT completed_at IS NOT NULL FROM provisioner_jobs WHERE id = $1::uuid",
                             jobId);
}

void SlurmFixture::waitUntilTerminated(const std::string& jobId)
{
    await("the termination of " + jobId, [&] { return isTerminated(jobId); });
}

void SlurmFixture::awaitWaitingFor(const std::string& event)
{
    await("a session in " + event, [&] { return testDatabase().isSomebodyWaitingFor(event); });
}

bool SlurmFixture::isDetectorConnected()
{
    return testDatabase().hasSessionOf("detector_in_slurmctld");
}

} // namespace HangDetection::Test
