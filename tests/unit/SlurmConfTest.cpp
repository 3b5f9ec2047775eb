#include "slurm/SlurmConf.h"

#include "SettingsFile.h"
#include "TemporaryDirectory.h"

#include <cppunit/extensions/HelperMacros.h>

#include <cstdlib>
#include <functional>
#include <string>

namespace HangDetection::Test {

class SlurmConfTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(SlurmConfTest);
    CPPUNIT_TEST(findsValuesByKeysInAnyCase);
    CPPUNIT_TEST(readsSeveralPairsInALine);
    CPPUNIT_TEST(readsQuotedValues);
    CPPUNIT_TEST(ignoresComments);
    CPPUNIT_TEST(joinsContinuedLines);
    CPPUNIT_TEST(followsInclude);
    CPPUNIT_TEST(putsTheClusterIntoTheNameOfAnInclude);
    CPPUNIT_TEST(nestsIncludesTenTimes);
    CPPUNIT_TEST(endsAnIncludeOfItself);
    CPPUNIT_TEST(takesTheLastOfTwoValues);
    CPPUNIT_TEST(survivesJunk);
    CPPUNIT_TEST(namesTheClusterInLowerCase);
    CPPUNIT_TEST(expectsTheSettingsBesideSlurmConf);
    CPPUNIT_TEST(takesTheSettingsFromSlurmctldParameters);
    CPPUNIT_TEST(refusesARelativePathOfTheSettings);
    CPPUNIT_TEST(refusesAMissingFile);
    CPPUNIT_TEST(refusesADirectory);
    CPPUNIT_TEST(isWhereSlurmctldSaysItIs);
    CPPUNIT_TEST_SUITE_END();

    SlurmConf read(const std::string& text) { return SlurmConf::read(_directory.write("slurm.conf", text)); }

    static void assertValue(const std::string& expected, const SlurmConf& conf, const std::string& key)
    {
        CPPUNIT_ASSERT_MESSAGE(key, conf.find(key).has_value());
        CPPUNIT_ASSERT_EQUAL(expected, *conf.find(key));
    }

    void assertRefused(const std::function<void()>& action, const std::string& expected)
    {
        try {
            action();
        } catch (const SettingsError& error) {
            CPPUNIT_ASSERT_EQUAL(_directory.path().string() + expected, std::string(error.what()));
            return;
        }
        CPPUNIT_FAIL("not refused");
    }

    void findsValuesByKeysInAnyCase()
    {
        const SlurmConf conf = read("PluginDir=/a:/b\njobsubmitplugins = lua,hang_detector\n");
        assertValue("/a:/b", conf, "plugindir");
        assertValue("lua,hang_detector", conf, "JobSubmitPlugins");
        CPPUNIT_ASSERT(!conf.find("SlurmUser").has_value());
    }

    void readsSeveralPairsInALine()
    {
        const SlurmConf conf = read("NodeName=n1 CPUs=4  State=UNKNOWN PluginDir=/a\n");
        assertValue("4", conf, "CPUs");
        assertValue("/a", conf, "PluginDir");
    }

    void readsQuotedValues()
    {
        const SlurmConf conf =
            read("MailProg=\"/bin/mail -s x=y\" PluginDir=\"/a b\"\nOpen=\"never closed\n");
        assertValue("/bin/mail -s x=y", conf, "MailProg");
        assertValue("/a b", conf, "PluginDir");
        assertValue("never closed", conf, "Open");
    }

    void ignoresComments()
    {
        const SlurmConf conf = read("#PluginDir=/a\nPluginDir=/b#c\n  # PluginDir=/d\n");
        assertValue("/b", conf, "PluginDir");
        assertValue("/c", read("MailProg=/a\\#b PluginDir=/c#d\n"), "PluginDir");
    }

    void joinsContinuedLines()
    {
        assertValue("/a:/b", read("PluginDir=/a:\\\n/b\n"), "PluginDir");
        assertValue("/a", read("PluginDir=/a\\"), "PluginDir");
    }

    void followsInclude()
    {
        _directory.write("more.conf", "PluginDir=/a\n");
        const auto absolute = _directory.write("other.conf", "JobSubmitPlugins=hang_detector\n");
        const SlurmConf conf = read("Include more.conf  and no other\nINCLUDE   " + absolute.string() + "\n");
        assertValue("/a", conf, "PluginDir");
        assertValue("hang_detector", conf, "JobSubmitPlugins");
    }

    void putsTheClusterIntoTheNameOfAnInclude()
    {
        _directory.write("alpha_more.conf", "PluginDir=/a\n");
        assertValue("/a", read("ClusterName=Alpha\nInclude %c_more.conf  # of this cluster\n"), "PluginDir");
    }

    void nestsIncludesTenTimes()
    {
        for (int depth = 1; depth < 11; ++depth)
            _directory.write(std::to_string(depth) + ".conf",
                             "include " + std::to_string(depth + 1) + ".conf\n");
        _directory.write("11.conf", "PluginDir=/a\n");
        assertValue("/a", read("include 2.conf\n"), "PluginDir");
        assertRefused([this] { read("include 1.conf\n"); }, "/11.conf: Include is nested more than 10 times");
    }

    void endsAnIncludeOfItself()
    {
        assertRefused([this] { read("include slurm.conf\n"); },
                      "/slurm.conf: Include is nested more than 10 times");
    }

    void takesTheLastOfTwoValues() { assertValue("/b", read("PluginDir=/a\nPluginDir=/b\n"), "PluginDir"); }

    void survivesJunk()
    {
        for (const std::string text :
             {"=", "==", "a=", "=b", "\"=\"", "a=\"", "include", "include ", "\\", "a=b=c", "\xff\xfe=\x80"})
            read(text);
        assertValue("", read("PluginDir="), "PluginDir");
        assertValue("/a", read("a word PluginDir=/a"), "PluginDir");
    }

    void namesTheClusterInLowerCase()
    {
        CPPUNIT_ASSERT_EQUAL(std::string("alpha"), read("clustername=Alpha\n").clusterName());
        CPPUNIT_ASSERT_EQUAL(std::string(), read("").clusterName());
    }

    void expectsTheSettingsBesideSlurmConf()
    {
        CPPUNIT_ASSERT_EQUAL((_directory.path() / "hang_detector.conf").string(),
                             read("").settingsFile().string());
    }

    void takesTheSettingsFromSlurmctldParameters()
    {
        CPPUNIT_ASSERT_EQUAL(
            std::string("/etc/hang.conf"),
            read("SlurmctldParameters=idle_on_node_suspend,hang_detector_conf=/etc/hang.conf,x=y\n")
                .settingsFile()
                .string());
    }

    void refusesARelativePathOfTheSettings()
    {
        assertRefused(
            [this] { read("SlurmctldParameters=hang_detector_conf=hang.conf\n").settingsFile(); },
            "/slurm.conf: SlurmctldParameters: hang_detector_conf=hang.conf is not an absolute path; "
            "allowed: hang_detector_conf=/path/to/file");
    }

    void refusesAMissingFile()
    {
        assertRefused([this] { SlurmConf::read(_directory.path() / "none.conf"); },
                      "/none.conf: cannot be read: No such file or directory");
    }

    void refusesADirectory()
    {
        assertRefused([this] { SlurmConf::read(_directory.path()); }, ": is not a regular file");
    }

    void isWhereSlurmctldSaysItIs()
    {
        setenv("SLURM_CONF", "/run/slurm/slurm.conf", 1);
        CPPUNIT_ASSERT_EQUAL(std::string("/run/slurm/slurm.conf"), SlurmConf::location().string());
        unsetenv("SLURM_CONF");
        CPPUNIT_ASSERT_EQUAL(std::string("/etc/slurm/slurm.conf"), SlurmConf::location().string());
    }

    TemporaryDirectory _directory;
};

CPPUNIT_TEST_SUITE_REGISTRATION(SlurmConfTest);

} // namespace HangDetection::Test
