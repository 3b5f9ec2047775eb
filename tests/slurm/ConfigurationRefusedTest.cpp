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

using std::filesystem::perms;

class ConfigurationRefusedTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(ConfigurationRefusedTest);
    CPPUNIT_TEST(aWrongLine);
    CPPUNIT_TEST(aFileThatCannotBeRead);
    CPPUNIT_TEST(aPasswordWithoutShowingIt);
    CPPUNIT_TEST(aRelativePathInSlurmConf);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { _cluster = std::make_unique<SlurmCluster>(); }

    void tearDown() override { _cluster.reset(); }

private:
    void aWrongLine()
    {
        const struct
        {
            const char* settings;
            const char* reason;
        } rows[] = {
            {"Connection=dbname=coder\nInterval=5x\n",
             ":2: Interval: '5x' is not a duration; allowed: 1s to 1h"},
            {"# is it so?\nDryRun=perhaps\nConnection=dbname=coder\n",
             ":2: DryRun: 'perhaps' is not allowed; allowed: yes or no"},
            {"Connection=dbname=coder\n\nIntervall=60\n",
             ":3: Intervall: is not a known key; allowed: Connection, Interval"},
            {"Connection=dbname=coder\nHungJobDuration=3m\nHungJobExitTimeout=180\n",
             ":3: HungJobExitTimeout: HungJobExitTimeout (3m) must be shorter than HungJobDuration (3m)"},
            {"Interval=60\n", ": Connection: is missing"},
        };
        for (const auto& [settings, reason] : rows) {
            _cluster->writeSettings(settings);
            requireRefused(std::string("hang_detector.conf") + reason);
        }
    }

    void aFileThatCannotBeRead()
    /// As it is not there, or as SlurmUser may not read it.
    {
        _cluster->removeSettings();
        requireRefused((_cluster->directory() / "hang_detector.conf").string() +
                       ": cannot be read: No such file or directory");

        _cluster->writeSettings("Connection=dbname=coder\n", perms::none);
        requireRefused("hang_detector.conf: cannot be read: Permission denied; it belongs beside slurm.conf, "
                       "and slurmctld reads it as SlurmUser");
    }

    void aPasswordWithoutShowingIt()
    /// That everybody may read, or in a connection that is malformed.
    {
        _cluster->writeSettings("Connection=dbname=coder password=open-sesame\n",
                                SlurmCluster::groupMayRead | perms::others_read);
        requireRefused("hang_detector.conf:1: Connection: holds a password, but everybody can read the file");
        assertLacks("open-sesame", _cluster->log());

        _cluster->writeSettings("Connection=dbname=coder password open-sesame\n");
        requireRefused("hang_detector.conf:1: Connection: is not a libpq connection string");
        assertLacks("open-sesame", _cluster->log());
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
        const std::string log = _cluster->log();
        CPPUNIT_ASSERT_MESSAGE(log, _cluster->countInLog("error: job_submit/hang_detector: ") > 0);
        CPPUNIT_ASSERT_MESSAGE(reason + " is not in:\n" + log, _cluster->countInLog(reason) > 0);
        CPPUNIT_ASSERT_MESSAGE(log,
                               _cluster->countInLog("fatal: failed to initialize job_submit plugin") == 1);
    }

    std::unique_ptr<SlurmCluster> _cluster;
};

CPPUNIT_TEST_SUITE_REGISTRATION(ConfigurationRefusedTest);

} // namespace HangDetection::Test
