// The Debian package in a clean Debian: what apt-get does with it, and slurmctld there.

#include "BuiltPackage.h"
#include "CleanController.h"
#include "Suite.h"
#include "TestDatabase.h"
#include "Texts.h"

#include <Poco/String.h>

#include <fstream>
#include <memory>

namespace HangDetection::Test {

class InstallationTest : public CppUnit::TestFixture
{
    TEST_SUITE(InstallationTest);

public:
    void setUp() override { _debian = std::make_unique<CleanDebian>(); }

    void tearDown() override { _debian.reset(); }

private:
    TEST(bringsAllThatThePluginNeedsAndLeavesSlurmctldAlone)
    /// Until it is enabled.
    {
        _debian->install(builtPackage());
        CPPUNIT_ASSERT_EQUAL(std::string("install ok installed"), query("${Status}"));
        _debian->run({"hang-detector-sim", "--version"});
        assertLacks("not found", _debian->run({"ldd", plugin}));
        CPPUNIT_ASSERT_EQUAL(std::string(), _debian->run({"dpkg", "--audit"}));
        CPPUNIT_ASSERT_EQUAL(std::string("root:slurm 640"), ownerAndMode());

        const CleanController controller(*_debian, "");
        assertContains("slurmctld version", controller.log());
        assertLacks("hang_detector", controller.log());
    }

    TEST(obeysAnOverrideOfOwnerAndMode)
    {
        _debian->run({"dpkg-statoverride", "--add", "slurm", "root", "0400", settingsFile});
        _debian->install(builtPackage());
        CPPUNIT_ASSERT_EQUAL(std::string("slurm:root 400"), ownerAndMode());
    }

    TEST(terminatesAHungJobOnceItIsEnabled)
    {
        TestDatabase database;
        const std::string job = database.session().addJob();
        _debian->install(builtPackage());
        _debian->show(TestDatabase::server().directory());
        // As the README has it: the role by the script of the package, then the settings.
        Sim::mustRun({TestDatabase::server().binaries() / "psql", "--no-psqlrc", "--quiet", "--dbname",
                      database.connectionString(), "--file",
                      _debian->outside("/usr/share/hang-detector/sql/role.sql")});
        edit("Connection=host=" + TestDatabase::server().directory().string() + " dbname=" + database.name() +
             " user=hang_detector");

        const CleanController controller(*_debian, "JobSubmitPlugins=hang_detector\n");

        controller.waitForLog("] job_submit/hang_detector: started");
        controller.waitForLog("] job_submit/hang_detector: job terminated job_id=" + job);
        CPPUNIT_ASSERT(database.session().isCompleted(job));
    }

    TEST(keepsEditedSettingsInAnUpgrade)
    {
        _debian->install(builtPackage());
        edit("Connection=dbname=mine");
        _debian->run({"chown", "slurm:root", settingsFile});
        _debian->run({"chmod", "0600", settingsFile});
        const std::string edited = settings();

        _debian->install(nextPackage(_directory.path()));

        CPPUNIT_ASSERT_EQUAL(packageField("Version") + ".1", query("${Version}"));
        CPPUNIT_ASSERT_EQUAL(edited, settings());
        CPPUNIT_ASSERT_EQUAL(std::string("slurm:root 600"), ownerAndMode());
    }

    TEST(leavesTheRestartOfSlurmctldToTheOperator)
    /// needrestart sees that slurmctld runs a plugin that was deleted.
    {
        _debian->install(builtPackage());
        edit("Connection=dbname=nowhere");
        const CleanController controller(*_debian, "JobSubmitPlugins=hang_detector\n");
        const std::string pid = Poco::trim(_debian->run({"cat", "/run/slurm/slurmctld.pid"}));
        const auto loaded = [&] {
            return Sim::mustRun({"grep", "job_submit_hang_detector", "/proc/" + pid + "/maps"});
        };
        assertLacks("deleted", loaded());
        assertContains("A slurmctld that runs keeps the old hang detector until it is restarted",
                       _debian->install(nextPackage(_directory.path())));
        assertContains("job_submit_hang_detector.so (deleted)", loaded());
    }

    TEST(bringsNewDefaultsWhereNothingWasEdited)
    {
        _debian->install(builtPackage());
        _debian->install(nextPackage(_directory.path()));
        assertContains("# new in the next version", settings());
        CPPUNIT_ASSERT_EQUAL(std::string("root:slurm 640"), ownerAndMode());
    }

    TEST(keepsTheSettingsWhenItIsRemoved)
    /// And says what to do if it is enabled.
    {
        _debian->install(builtPackage());
        edit("Connection=dbname=mine");
        const std::string edited = settings();

        assertLacks("JobSubmitPlugins", remove());
        CPPUNIT_ASSERT(!std::filesystem::exists(_debian->outside(plugin)));
        CPPUNIT_ASSERT_EQUAL(edited, settings());
        _debian->install(builtPackage());
        CPPUNIT_ASSERT_EQUAL(edited, settings());
        CPPUNIT_ASSERT_EQUAL(std::string("root:slurm 640"), ownerAndMode());

        std::ofstream(_debian->outside("/etc/slurm/slurm.conf")) << "JobSubmitPlugins=lua,hang_detector\n";
        assertContains("Take hang_detector out of JobSubmitPlugins", remove());
    }

    std::string remove() const { return _debian->run({"dpkg", "--remove", packageField("Package")}); }

    TEST(leavesNothingBehindWhenItIsPurged)
    {
        _debian->install(builtPackage());
        edit("Connection=dbname=mine");
        edit("metricsFile = \"/var/lib/hang#detector.prom\" # for node_exporter");
        std::ofstream(_debian->outside("/var/lib/hang#detector.prom")) << "hangdetector_dry_run 0\n";
        _debian->install(nextPackage(_directory.path()));
        const std::string name = packageField("Package");
        assertContains("unless remove.sql was run, its role and its index in the job database",
                       _debian->run({"dpkg", "--purge", name}));

        CPPUNIT_ASSERT_EQUAL(std::string(),
                             _debian->run({"find", "/", "-xdev", "-iname", "*hang*detector*"}));
        CPPUNIT_ASSERT_EQUAL(std::string(), _debian->run({"find", "/etc/slurm", "-name", "*.dpkg-*"}));
        CPPUNIT_ASSERT_EQUAL(std::string(),
                             _debian->run({"sh", "-c", "dpkg-statoverride --list '*hang*' || true"}));
        CPPUNIT_ASSERT(Sim::runCommand(_debian->inside({"dpkg-query", "--show", name})).exitStatus != 0);
    }

    static constexpr const char* plugin = SLURM_PLUGIN_DIR "/job_submit_hang_detector.so";
    static constexpr const char* settingsFile = "/etc/slurm/hang_detector.conf";

    void edit(const std::string& line) const
    {
        std::ofstream(_debian->outside(settingsFile), std::ios::app) << line << '\n';
    }

    std::string settings() const { return _debian->run({"cat", settingsFile}); }

    std::string ownerAndMode() const
    {
        return Poco::trim(_debian->run({"stat", "--format=%U:%G %a", settingsFile}));
    }

    std::string query(const std::string& format) const
    {
        return _debian->run({"dpkg-query", "--show", "--showformat=" + format, packageField("Package")});
    }

    const TemporaryDirectory _directory;
    std::unique_ptr<CleanDebian> _debian;
};

} // namespace HangDetection::Test
