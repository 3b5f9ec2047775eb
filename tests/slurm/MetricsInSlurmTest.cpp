#include "MetricsText.h"
#include "SlurmFixture.h"
#include "TemporaryDirectory.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <filesystem>
#include <string>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class MetricsInSlurmTest : public SlurmFixture
/// The metrics file of a real slurmctld, which runs as Slurm's user.
{
    CPPUNIT_TEST_SUITE(MetricsInSlurmTest);
    CPPUNIT_TEST(hasATerminatedJobOnceItMayBeWritten);
    CPPUNIT_TEST(keepsTheFileWhenSlurmctldEnds);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override
    {
        SlurmFixture::setUp();
        // Everybody may enter it; only root may write to it.
        std::filesystem::permissions(_directory.path(), std::filesystem::perms(0755));
        cluster().writeSettings(settings() + "MetricsFile=" + (_directory.path() / name).string() + '\n');
    }

private:
    void hasATerminatedJobOnceItMayBeWritten()
    {
        cluster().startController();
        waitUntilTerminated(database().addJob());
        cluster().waitForLog("error: job_submit/hang_detector: metrics file cannot be written path=" +
                             (_directory.path() / name).string() + " error=\"Permission denied\"");
        CPPUNIT_ASSERT(cluster().controllerAnswers());

        giveToSlurm();
        cluster().waitForLog("] job_submit/hang_detector: metrics file is written again path=");
        awaitSample(R"(jobs_terminated_total{reason="hung",type="template_version_import"} 1)");
        CPPUNIT_ASSERT_EQUAL_MESSAGE(cluster().log(), std::size_t{1},
                                     cluster().countInLog("metrics file cannot"));
        CPPUNIT_ASSERT_EQUAL(std::filesystem::perms(0644),
                             std::filesystem::status(_directory.path() / name).permissions());
    }

    void keepsTheFileWhenSlurmctldEnds()
    /// The cluster in it is named as Slurm does.
    {
        cluster().configure("ClusterName", "TEST");
        giveToSlurm();
        cluster().startController();
        awaitSample("database_up 1");
        cluster().stopController(10s);
        CPPUNIT_ASSERT(has("database_up 1"));
    }

    void giveToSlurm() { Sim::mustRun({"chown", "slurm", _directory.path().string()}); }

    bool has(const std::string& sample) const { return contains(sampleLine(sample), _directory.read(name)); }

    void awaitSample(const std::string& sample)
    {
        await(sample, [&] { return has(sample); });
    }

    static constexpr const char* name = "hang_detector.prom";
    const TemporaryDirectory _directory;
};

CPPUNIT_TEST_SUITE_REGISTRATION(MetricsInSlurmTest);

} // namespace HangDetection::Test
