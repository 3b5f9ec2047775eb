#include "SlurmFixture.h"

#include "Eventually.h"

#include <chrono>
#include <stdexcept>

namespace HangDetection::Test {

namespace {

/// How long a termination, or its beginning, may take on a machine that is very busy.
constexpr std::chrono::seconds patience{20};

} // namespace

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
    if (!eventually(patience, [&] { return isTerminated(jobId); }))
        throw std::runtime_error("the job was not terminated:\n" + cluster().log());
}

void SlurmFixture::awaitWaitingFor(const std::string& event)
{
    if (!eventually(patience, [&] { return testDatabase().isSomebodyWaitingFor(event); }))
        throw std::runtime_error("nobody waits for " + event + ":\n" + cluster().log());
}

bool SlurmFixture::isDetectorConnected()
{
    return testDatabase().hasSessionOf("detector_in_slurmctld");
}

} // namespace HangDetection::Test
