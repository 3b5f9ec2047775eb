// slurmctld does not start with a hang_detector.conf that is wrong, and its log says
// what to change. No database is needed for that.

#include "Contains.h"
#include "SlurmCluster.h"

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>

#include <filesystem>
#include <memory>
#include <string>

namespace HangDetection::Test {

class ConfigurationRefusedTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(ConfigurationRefusedTest);
    CPPUNIT_TEST(aWrongLineWithoutShowingAPassword);
    CPPUNIT_TEST(aFileThatCannotBeRead);
    CPPUNIT_TEST(aRelativePathInSlurmConf);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { _cluster = std::make_unique<SlurmCluster>(); }
    void tearDown() override { _cluster.reset(); }

private:
    void aWrongLineWithoutShowingAPassword()
    {
        _cluster->writeSettings("Interval=5\nConnection=dbname=coder password open-sesame\n");
        requireRefused(
            "hang_detector.conf:2: Connection: is not a libpq connection string; allowed: keyword=");
        assertLacks("open-sesame", _cluster->log());
    }

    void aFileThatCannotBeRead()
    /// As it is not there, or as SlurmUser may not read it.
    {
        requireRefused((_cluster->directory() / "hang_detector.conf").string() +
                       ": cannot be read: No such file or directory");

        _cluster->writeSettings("Connection=dbname=coder\n", std::filesystem::perms::none);
        requireRefused("hang_detector.conf: cannot be read: Permission denied; it belongs beside slurm.conf");
    }

    void aRelativePathInSlurmConf()
    {
        _cluster->configure("SlurmctldParameters", "hang_detector_conf=elsewhere.conf");
        requireRefused(
            "slurm.conf: SlurmctldParameters: hang_detector_conf=elsewhere.conf is not an absolute path");
    }

    void requireRefused(const std::string& reason)
    {
        CPPUNIT_ASSERT_EQUAL_MESSAGE(reason, 1, _cluster->runRefusedController());
        assertContains("error: job_submit/hang_detector: ", _cluster->log());
        assertContains(reason, _cluster->log());
        assertContains("fatal: failed to initialize job_submit plugin", _cluster->log());
    }

    std::unique_ptr<SlurmCluster> _cluster;
};

CPPUNIT_TEST_SUITE_REGISTRATION(ConfigurationRefusedTest);

} // namespace HangDetection::Test
