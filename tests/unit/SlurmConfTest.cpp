#include "slurm/SlurmConf.h"

#include "SettingsFile.h"
#include "Suite.h"
#include "TemporaryDirectory.h"
#include "ThrownBy.h"

#include <cstdlib>

namespace HangDetection::Test {

class SlurmConfTest : public CppUnit::TestFixture
{
    TEST_SUITE(SlurmConfTest);

    SlurmConf read(const std::string& text) const
    {
        return SlurmConf::read(_directory.write("slurm.conf", text));
    }

    void expect(const std::string& key, const std::string& value, const std::string& text) const
    {
        CPPUNIT_ASSERT_EQUAL_MESSAGE(text, value, read(text).find(key).value_or("no value"));
    }

    template <typename Action>
    void expectRefused(const std::string& reason, Action action) const
    /// The reason begins with the path within the directory.
    {
        const auto error = thrownBy<SettingsError>(action, reason);
        CPPUNIT_ASSERT_EQUAL(_directory.path().string() + reason, std::string(error.what()));
    }

    TEST(findsValues)
    {
        // Keys are written in any case.
        const std::string pairs = "PluginDir=/a:/b\njobsubmitplugins = lua,hang_detector\n";
        expect("plugindir", "/a:/b", pairs);
        expect("JobSubmitPlugins", "lua,hang_detector", pairs);
        CPPUNIT_ASSERT(!read(pairs).find("SlurmUser").has_value());

        const std::string severalInALine = "NodeName=n1 CPUs=4  State=UNKNOWN PluginDir=/a\n";
        expect("CPUs", "4", severalInALine);
        expect("PluginDir", "/a", severalInALine);

        const std::string quoted = "MailProg=\"/bin/mail -s x=y\" PluginDir=\"/a b\"\nOpen=\"never closed\n";
        expect("MailProg", "/bin/mail -s x=y", quoted);
        expect("PluginDir", "/a b", quoted);
        expect("Open", "never closed", quoted);

        expect("PluginDir", "/b", "#PluginDir=/a\nPluginDir=/b#c\n  # PluginDir=/d\n");
        expect("PluginDir", "/c", "MailProg=/a\\#b PluginDir=/c#d\n");
        expect("PluginDir", "/a:/b", "PluginDir=/a:\\\n/b\n");
        expect("PluginDir", "/a", "PluginDir=/a\\");
        expect("PluginDir", "/a", "a word PluginDir=/a");
        expect("PluginDir", "", "PluginDir=");
        expect("PluginDir", "/b", "PluginDir=/a\nPluginDir=/b\n"); // the last counts
    }

    TEST(followsInclude)
    {
        _directory.write("more.conf", "PluginDir=/a\n");
        const auto other = _directory.write("other.conf", "JobSubmitPlugins=hang_detector\n");
        const std::string both = "Include more.conf  and no other\nINCLUDE   " + other.string() + "\n";
        expect("PluginDir", "/a", both);
        expect("JobSubmitPlugins", "hang_detector", both);
        _directory.write("alpha_more.conf", "PluginDir=/b\n");
        expect("PluginDir", "/b", "ClusterName=Alpha\nInclude %c_more.conf  # of this cluster\n");
    }

    TEST(nestsIncludesTenTimes)
    {
        for (int depth = 1; depth < 11; ++depth)
            _directory.write(std::to_string(depth) + ".conf",
                             "include " + std::to_string(depth + 1) + ".conf\n");
        _directory.write("11.conf", "PluginDir=/a\n");
        expect("PluginDir", "/a", "include 2.conf\n");
        expectRefused("/11.conf: Include is nested more than 10 times", [&] { read("include 1.conf\n"); });
        expectRefused("/slurm.conf: Include is nested more than 10 times",
                      [&] { read("include slurm.conf\n"); });
    }

    TEST(namesTheClusterInLowerCase)
    {
        CPPUNIT_ASSERT_EQUAL(std::string("alpha"), read("clustername=Alpha\n").clusterName());
        CPPUNIT_ASSERT_EQUAL(std::string(), read("").clusterName());
    }

    TEST(saysWhereTheSettingsAre)
    {
        CPPUNIT_ASSERT_EQUAL((_directory.path() / "hang_detector.conf").string(),
                             read("").settingsFile().string());
        CPPUNIT_ASSERT_EQUAL(
            std::string("/etc/hang.conf"),
            read("SlurmctldParameters=idle_on_node_suspend,hang_detector_conf=/etc/hang.conf,x=y\n")
                .settingsFile()
                .string());
        expectRefused("/slurm.conf: SlurmctldParameters: hang_detector_conf=hang.conf is not an absolute "
                      "path; allowed: hang_detector_conf=/path/to/file",
                      [&] { read("SlurmctldParameters=hang_detector_conf=hang.conf\n").settingsFile(); });
    }

    TEST(refusesWhatIsNoReadableFile)
    {
        expectRefused("/none.conf: cannot be read: No such file or directory",
                      [&] { SlurmConf::read(_directory.path() / "none.conf"); });
        expectRefused(": is not a regular file", [&] { SlurmConf::read(_directory.path()); });
    }

    TEST(isWhereSlurmctldSaysItIs)
    {
        setenv("SLURM_CONF", "/run/slurm/slurm.conf", 1);
        CPPUNIT_ASSERT_EQUAL(std::string("/run/slurm/slurm.conf"), SlurmConf::location().string());
        unsetenv("SLURM_CONF");
        CPPUNIT_ASSERT_EQUAL(std::string(SLURM_CONF_DIR "/slurm.conf"), SlurmConf::location().string());
    }

    const TemporaryDirectory _directory;
};

} // namespace HangDetection::Test
