// slurmctld does not start with a hang_detector.conf that is wrong, and its log says
// what to change. No database is needed for that.

#include "SlurmCluster.h"

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>

#include <filesystem>
#include <memory>
#include <string>

namespace HangDetection::Test {

using std::filesystem::perms;

class ConfigurationRefusedTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(ConfigurationRefusedTest);
    CPPUNIT_TEST(aValueThatIsNoDuration);
    CPPUNIT_TEST(aValueThatIsNeitherYesNorNo);
    CPPUNIT_TEST(anUnknownKey);
    CPPUNIT_TEST(exitTimeoutThatIsNotShorter);
    CPPUNIT_TEST(noConnection);
    CPPUNIT_TEST(noFile);
    CPPUNIT_TEST(aFileThatSlurmUserMayNotRead);
    CPPUNIT_TEST(aPasswordThatEverybodyMayRead);
    CPPUNIT_TEST(aConnectionThatIsMalformedWithoutTellingIt);
    CPPUNIT_TEST(aRelativePathInSlurmConf);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { _cluster = std::make_unique<SlurmCluster>(); }

    void tearDown() override { _cluster.reset(); }

private:
    void aValueThatIsNoDuration()
    {
        _cluster->writeSettings("Connection=dbname=coder\nInterval=5x\n");
        requireRefused("hang_detector.conf:2: Interval: '5x' is not a duration; allowed: 1s to 1h");
    }

    void aValueThatIsNeitherYesNorNo()
    {
        _cluster->writeSettings("# is it so?\nDryRun=perhaps\nConnection=dbname=coder\n");
        requireRefused("hang_detector.conf:2: DryRun: 'perhaps' is not allowed; allowed: yes or no");
    }

    void anUnknownKey()
    {
        _cluster->writeSettings("Connection=dbname=coder\n\nIntervall=60\n");
        requireRefused("hang_detector.conf:3: Intervall: is not a known key; allowed: Connection, Interval");
    }

    void exitTimeoutThatIsNotShorter()
    {
        _cluster->writeSettings("Connection=dbname=coder\nHungJobDuration=3m\nHungJobExitTimeout=180\n");
        requireRefused(
            "hang_detector.conf:3: HungJobExitTimeout: HungJobExitTimeout (3m) must be shorter than "
            "HungJobDuration (3m)");
    }

    void noConnection()
    {
        _cluster->writeSettings("Interval=60\n");
        requireRefused("hang_detector.conf: Connection: is missing");
    }

    void noFile()
    {
        _cluster->removeSettings();
        requireRefused((_cluster->directory() / "hang_detector.conf").string() +
                       ": cannot be read: No such file or directory");
    }

    void aFileThatSlurmUserMayNotRead()
    {
        _cluster->writeSettings("Connection=dbname=coder\n", perms::none);
        requireRefused("hang_detector.conf: cannot be read: Permission denied; it belongs beside slurm.conf, "
                       "and slurmctld reads it as SlurmUser");
    }

    void aPasswordThatEverybodyMayRead()
    {
        _cluster->writeSettings("Connection=dbname=coder password=open-sesame\n",
                                SlurmCluster::groupMayRead | perms::others_read);
        requireRefused("hang_detector.conf:1: Connection: holds a password, but everybody can read the file");
        requireSecret("open-sesame");
    }

    void aConnectionThatIsMalformedWithoutTellingIt()
    {
        _cluster->writeSettings("Connection=dbname=coder password open-sesame\n");
        requireRefused("hang_detector.conf:1: Connection: is not a libpq connection string");
        requireSecret("open-sesame");
    }

    void aRelativePathInSlurmConf()
    {
        _cluster->configure("SlurmctldParameters", "hang_detector_conf=elsewhere.conf");
        requireRefused(
            "slurm.conf: SlurmctldParameters: hang_detector_conf=elsewhere.conf is not an absolute path");
    }

    void requireRefused(const std::string& reason)
    {
        CPPUNIT_ASSERT_EQUAL_MESSAGE(_cluster->log(), 1, _cluster->runRefusedController());
        const std::string log = _cluster->log();
        CPPUNIT_ASSERT_MESSAGE(log, _cluster->countInLog("error: job_submit/hang_detector: ") > 0);
        CPPUNIT_ASSERT_MESSAGE(log, _cluster->countInLog(reason) > 0);
        CPPUNIT_ASSERT_MESSAGE(log,
                               _cluster->countInLog("fatal: failed to initialize job_submit plugin") == 1);
    }

    void requireSecret(const std::string& password)
    {
        const std::string log = _cluster->log();
        CPPUNIT_ASSERT_MESSAGE(log, log.find(password) == std::string::npos);
    }

    std::unique_ptr<SlurmCluster> _cluster;
};

CPPUNIT_TEST_SUITE_REGISTRATION(ConfigurationRefusedTest);

} // namespace HangDetection::Test
