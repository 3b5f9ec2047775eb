#include "Settings.h"

#include "SettingsFile.h"
#include "TemporaryDirectory.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace HangDetection::Test {

using std::chrono::seconds;

class SettingsTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(SettingsTest);
    CPPUNIT_TEST(hasDefaultsForAllButTheConnection);
    CPPUNIT_TEST(readsEveryKey);
    CPPUNIT_TEST(takesKeysInAnyCaseAndBlanksAroundThem);
    CPPUNIT_TEST(takesAQuotedValueAsItIs);
    CPPUNIT_TEST(refusesQuotesThatDoNotEndTheValue);
    CPPUNIT_TEST(ignoresCommentsAndEmptyLines);
    CPPUNIT_TEST(keepsAHashInsideAValue);
    CPPUNIT_TEST(readsWindowsLineEnds);
    CPPUNIT_TEST(takesTheLimitsOfEveryRange);
    CPPUNIT_TEST(refusesAnUnknownKey);
    CPPUNIT_TEST(refusesADoubledKey);
    CPPUNIT_TEST(refusesAWrongDuration);
    CPPUNIT_TEST(refusesADurationOutOfRange);
    CPPUNIT_TEST(refusesAWrongNumber);
    CPPUNIT_TEST(refusesAnExitTimeoutThatIsNotShorter);
    CPPUNIT_TEST(refusesADurationShorterThanTheDefaultExitTimeout);
    CPPUNIT_TEST(refusesWhatIsNeitherYesNorNo);
    CPPUNIT_TEST(takesZeroOrAMinuteForPendingJobs);
    CPPUNIT_TEST(refusesAMetricsFileThatIsNoAbsolutePath);
    CPPUNIT_TEST(refusesAMissingConnection);
    CPPUNIT_TEST(refusesAnEmptyConnection);
    CPPUNIT_TEST(refusesAConnectionThatLibpqCannotRead);
    CPPUNIT_TEST(neverQuotesTheConnection);
    CPPUNIT_TEST(refusesAPasswordThatEverybodyCanRead);
    CPPUNIT_TEST(takesAReadableFileWithoutAPassword);
    CPPUNIT_TEST(refusesALineThatIsNoSetting);
    CPPUNIT_TEST(refusesAControlCharacter);
    CPPUNIT_TEST(refusesAMissingFile);
    CPPUNIT_TEST(refusesADirectory);
    CPPUNIT_TEST(refusesAPipe);
    CPPUNIT_TEST(refusesADevice);
    CPPUNIT_TEST(refusesAFileThatIsFarTooLarge);
    CPPUNIT_TEST(theSampleFileShowsTheDefaults);
    CPPUNIT_TEST(tellsWhatChangedButNotTheConnection);
    CPPUNIT_TEST(tellsNothingOfAnotherSpelling);
    CPPUNIT_TEST_SUITE_END();

    static constexpr const char* connection = "Connection=dbname=coder\n";

    Settings read(const std::string& text)
    {
        return Settings::read(_directory.write("hang_detector.conf", text));
    }

    void assertRefused(const std::string& text, const std::string& expected)
    /// Expected is what follows the path of the file.
    {
        const auto file = _directory.write("hang_detector.conf", text);
        assertRefusedFile(file, expected);
    }

    static void assertRefusedFile(const std::filesystem::path& file, const std::string& expected)
    {
        try {
            Settings::read(file);
        } catch (const SettingsError& error) {
            CPPUNIT_ASSERT_EQUAL(file.string() + expected, std::string(error.what()));
            return;
        }
        CPPUNIT_FAIL("not refused: " + expected);
    }

    void hasDefaultsForAllButTheConnection()
    {
        const Settings settings = read(connection);
        CPPUNIT_ASSERT(settings.interval == seconds(60));
        CPPUNIT_ASSERT(settings.hungJobDuration == seconds(300));
        CPPUNIT_ASSERT(settings.hungJobExitTimeout == seconds(180));
        CPPUNIT_ASSERT_EQUAL(10, settings.maxJobsPerRun);
        CPPUNIT_ASSERT(settings.runTimeout == seconds(300));
        CPPUNIT_ASSERT(!settings.connection.hasPassword());
    }

    void readsEveryKey()
    {
        const Settings settings = read("Connection=host=db dbname=coder password=geheim\nInterval=30\n"
                                       "HungJobDuration=10m\nHungJobExitTimeout=4m\nMaxJobsPerRun=500\n"
                                       "RunTimeout=20s\n");
        CPPUNIT_ASSERT(settings.connection.hasPassword());
        CPPUNIT_ASSERT(settings.interval == seconds(30));
        CPPUNIT_ASSERT(settings.hungJobDuration == seconds(600));
        CPPUNIT_ASSERT(settings.hungJobExitTimeout == seconds(240));
        CPPUNIT_ASSERT_EQUAL(500, settings.maxJobsPerRun);
        CPPUNIT_ASSERT(settings.runTimeout == seconds(20));
    }

    void takesKeysInAnyCaseAndBlanksAroundThem()
    {
        const Settings settings =
            read("  CONNECTION = dbname=coder  \n\tinterval\t=\t30s\nMAXJOBSPERRUN = \"7\"\n");
        CPPUNIT_ASSERT(settings.interval == seconds(30));
        CPPUNIT_ASSERT_EQUAL(7, settings.maxJobsPerRun);
    }

    void takesAQuotedValueAsItIs()
    {
        const Settings settings =
            read("Connection=\"dbname=coder options='-c #1'\"\nInterval=\"30s\" # a comment\n");
        CPPUNIT_ASSERT(settings.connection.secretText().find("#1") != std::string::npos);
        CPPUNIT_ASSERT(settings.interval == seconds(30));
    }

    void refusesQuotesThatDoNotEndTheValue()
    {
        assertRefused(std::string(connection) + "Interval=\"30s\n", ":2: Interval: has no closing quote");
        for (const std::string value : {"\"30s\"m", "\"30s\" m", "\"30s\"# no comment"})
            assertRefused(
                std::string(connection) + "Interval=" + value + "\n",
                ":2: Interval: goes on after the closing quote; allowed there is a blank and a comment");
    }

    void ignoresCommentsAndEmptyLines()
    {
        const Settings settings =
            read("# Interval=1\n\n   \n   # Interval=2\nConnection=dbname=coder # the database\n"
                 "Interval=30 # Interval=3");
        CPPUNIT_ASSERT(settings.interval == seconds(30));
    }

    void keepsAHashInsideAValue()
    {
        const Settings settings = read("Connection=dbname=coder password=a#b\n");
        CPPUNIT_ASSERT(settings.connection.secretText().find("password='a#b'") != std::string::npos);
    }

    void readsWindowsLineEnds()
    {
        CPPUNIT_ASSERT(read("Connection=dbname=coder\r\nInterval=30\r\n\r\n").interval == seconds(30));
    }

    void takesTheLimitsOfEveryRange()
    {
        const Settings least =
            read(std::string(connection) + "Interval=1\nHungJobDuration=1m\nHungJobExitTimeout=1\n"
                                           "MaxJobsPerRun=1\nRunTimeout=1\n");
        CPPUNIT_ASSERT(least.hungJobDuration == seconds(60));
        const Settings most = read(std::string(connection) + "Interval=1h\nHungJobDuration=168h\n"
                                                             "HungJobExitTimeout=167h\nMaxJobsPerRun=10000\n"
                                                             "RunTimeout=3600\n");
        CPPUNIT_ASSERT_EQUAL(10000, most.maxJobsPerRun);
    }

    void refusesAnUnknownKey()
    {
        assertRefused(
            "Connection=dbname=coder\n\nIntervall=5\n",
            ":3: Intervall: is not a known key; allowed: Connection, Interval, HungJobDuration, "
            "HungJobExitTimeout, PendingJobDuration, MaxJobsPerRun, RunTimeout, DryRun, MassHangRatio, "
            "MassHangMinJobs, ReleaseAllocations, MetricsFile");
    }

    void refusesADoubledKey()
    {
        assertRefused("Connection=dbname=coder\nInterval=5\n# again\nINTERVAL=5\n",
                      ":4: INTERVAL: is set twice, first in line 2; each key is allowed once");
    }

    void refusesAWrongDuration()
    {
        for (const std::string value : {"5x", "", "-5", "1.5m", "4,2", "5 m", "none"})
            assertRefused(connection + ("Interval=" + value) + "\n",
                          ":2: Interval: '" + value +
                              "' is not a duration; allowed: 1s to 1h, in seconds or with s, m or h "
                              "(90, 90s, 5m, 1h)");
    }

    void refusesADurationOutOfRange()
    {
        const auto refuses = [this](const std::string& key, const std::string& value,
                                    const std::string& range) {
            assertRefused(connection + key + "=" + value + "\n",
                          ":2: " + key + ": '" + value + "' is out of range; allowed: " + range +
                              ", in seconds or with s, m or h (90, 90s, 5m, 1h)");
        };
        refuses("Interval", "0", "1s to 1h");
        refuses("Interval", "3601", "1s to 1h");
        refuses("HungJobDuration", "59s", "1m to 168h");
        refuses("HungJobDuration", "169h", "1m to 168h");
        refuses("HungJobExitTimeout", "0", "1s to 168h");
        refuses("RunTimeout", "0", "1s to 1h");
        refuses("RunTimeout", "2h", "1s to 1h");
    }

    void refusesAWrongNumber()
    {
        for (const std::string value :
             {"0", "-1", "10001", "ten", "", "1.5", "4,2", "1 0", "99999999999999999999", "+5"})
            assertRefused(connection + ("MaxJobsPerRun=" + value) + "\n",
                          ":2: MaxJobsPerRun: '" + value +
                              "' is not allowed; allowed: a whole number from 1 to 10000");
        for (const std::string value : {"-1", "100", "55%"})
            assertRefused(connection + ("MassHangRatio=" + value) + "\n",
                          ":2: MassHangRatio: '" + value +
                              "' is not allowed; allowed: a whole number from 0 to 99");
        assertRefused(connection + std::string("MassHangMinJobs=1000001\n"),
                      ":2: MassHangMinJobs: '1000001' is not allowed; allowed: a whole number from 0 to "
                      "1000000");
    }

    void refusesAnExitTimeoutThatIsNotShorter()
    {
        assertRefused(
            "HungJobExitTimeout=5m\nConnection=dbname=coder\n",
            ":1: HungJobExitTimeout: HungJobExitTimeout (5m) must be shorter than HungJobDuration (5m)");
    }

    void refusesADurationShorterThanTheDefaultExitTimeout()
    {
        assertRefused(
            "Connection=dbname=coder\nHungJobDuration=2m\n",
            ":2: HungJobDuration: HungJobExitTimeout (3m) must be shorter than HungJobDuration (2m)");
    }

    void refusesWhatIsNeitherYesNorNo()
    {
        for (const std::string key : {"DryRun", "ReleaseAllocations"}) {
            for (const std::string value : {"", "1", "true", "yes please"})
                assertRefused(connection + key + "=" + value + "\n",
                              ":2: " + key + ": '" + value + "' is not allowed; allowed: yes or no");
        }
        CPPUNIT_ASSERT(read(std::string(connection) + "DryRun=YES\n").dryRun);
        CPPUNIT_ASSERT(!read(std::string(connection) + "DryRun=No\n").dryRun);
    }

    void takesZeroOrAMinuteForPendingJobs()
    {
        CPPUNIT_ASSERT(read(std::string(connection) + "PendingJobDuration=0\n").pendingJobDuration ==
                       seconds(0));
        CPPUNIT_ASSERT(read(std::string(connection) + "PendingJobDuration=30m\n").pendingJobDuration ==
                       seconds(1800));
        assertRefused(
            std::string(connection) + "PendingJobDuration=59\n",
            ":2: PendingJobDuration: '59' is out of range; allowed: 0, or 1m to 168h, in seconds or "
            "with s, m or h (90, 90s, 5m, 1h)");
    }

    void refusesAMetricsFileThatIsNoAbsolutePath()
    {
        for (const std::string value : {"metrics.prom", "/var/lib/metrics/"})
            assertRefused(
                connection + ("MetricsFile=" + value) + "\n",
                ":2: MetricsFile: '" + value +
                    "' is not allowed; allowed: an absolute path of a file, or nothing for no file");
        CPPUNIT_ASSERT(read(std::string(connection) + "MetricsFile=\n").metricsFile.empty());
        CPPUNIT_ASSERT_EQUAL(std::string("/a/b.prom"),
                             read(std::string(connection) + "MetricsFile=/a/b.prom\n").metricsFile.string());
    }

    void refusesAMissingConnection()
    {
        assertRefused(
            "Interval=5\n",
            ": Connection: is missing; add Connection= with a libpq connection string or URI, such as "
            "Connection=postgresql://hang_detector@db.example.org/coder");
    }

    void refusesAnEmptyConnection()
    {
        assertRefused("Connection=\n", ":1: Connection: is empty; allowed: a libpq connection string or URI");
    }

    void refusesAConnectionThatLibpqCannotRead()
    {
        assertRefused(
            "Connection=somewhere\n",
            ":1: Connection: is not a libpq connection string; allowed: keyword=value pairs, such as "
            "host=db.example.org dbname=coder user=hang_detector, or a URI, such as "
            "postgresql://hang_detector@db.example.org/coder");
    }

    void neverQuotesTheConnection()
    {
        // Each of them is refused, and libpq's own message would quote the password of the first two.
        for (const std::string text :
             {"host=db password=my geheim", "password=x geheim=1", "password='geheim",
              "connect_timeout=geheim", "postgresql://user:geheim@[db/x"}) {
            try {
                read("Connection=" + text + "\n");
                CPPUNIT_FAIL("not refused: " + text);
            } catch (const SettingsError& error) {
                CPPUNIT_ASSERT(std::string(error.what()).find("heim") == std::string::npos);
            }
        }
    }

    void refusesAPasswordThatEverybodyCanRead()
    {
        const auto file = _directory.write("hang_detector.conf", "Interval=5\nConnection=password=geheim\n");
        std::filesystem::permissions(file, std::filesystem::perms::others_read,
                                     std::filesystem::perm_options::add);
        assertRefusedFile(file,
                          ":2: Connection: holds a password, but everybody can read the file; run chown "
                          "root:slurm and chmod 0640 on it, or move the password to a passfile");
    }

    void takesAReadableFileWithoutAPassword()
    {
        const auto file = _directory.write("hang_detector.conf", connection);
        std::filesystem::permissions(file, std::filesystem::perms::others_read,
                                     std::filesystem::perm_options::add);
        Settings::read(file);
    }

    void refusesALineThatIsNoSetting()
    {
        for (const std::string line : {"Interval", "Interval 5", "=5", "Inter val=5", "<Interval>=5",
                                       "\xEF\xBB\xBF"
                                       "Interval=5"})
            assertRefused(connection + line + "\n",
                          ":2: not a setting; a line is Key=Value, or a comment that starts with #");
    }

    void refusesAControlCharacter()
    {
        assertRefused(std::string(connection) + "Interval=5\x1b[0m\n",
                      ":2: Interval: holds a control character; allowed are printable characters and blanks");
        assertRefused(std::string(connection) + std::string("Interval=5\0", 11) + "\n",
                      ":2: Interval: holds a control character; allowed are printable characters and blanks");
    }

    void refusesAMissingFile()
    {
        assertRefusedFile(_directory.path() / "none.conf",
                          ": cannot be read: No such file or directory; it belongs beside slurm.conf, and "
                          "slurmctld reads it as "
                          "SlurmUser: chown root:slurm and chmod 0640");
    }

    void refusesADirectory() { assertRefusedFile(_directory.path(), ": is not a regular file"); }

    void refusesAPipe()
    {
        const auto pipe = _directory.path() / "pipe.conf";
        CPPUNIT_ASSERT_EQUAL(0, mkfifo(pipe.c_str(), 0600));
        assertRefusedFile(pipe, ": is not a regular file");
    }

    void refusesADevice() { assertRefusedFile("/dev/zero", ": is not a regular file"); }

    void refusesAFileThatIsFarTooLarge()
    {
        assertRefused(std::string(64 * 1024 + 1, '#'), ": is larger than 64 KiB, so it is no settings file");
    }

    void theSampleFileShowsTheDefaults()
    {
        std::ifstream sample(SAMPLE_SETTINGS);
        std::string settings;
        for (std::string line; std::getline(sample, line);) {
            if (line.size() >= 2 && line[0] == '#' && line[1] != ' ')
                settings += line.substr(1) + "\n";
        }
        CPPUNIT_ASSERT_EQUAL(12, static_cast<int>(std::count(settings.begin(), settings.end(), '\n')));
        CPPUNIT_ASSERT_EQUAL(std::string(), textOf(read(connection).changesTo(read(settings))).substr(14));
    }

    static std::string textOf(const std::vector<SettingChange>& changes)
    {
        std::string text;
        for (const SettingChange& change : changes)
            text += change.key + '=' + change.before + "->" + change.after + ' ';
        return text;
    }

    void tellsWhatChangedButNotTheConnection()
    {
        const Settings before = read("Connection=dbname=coder password=a\n");
        const Settings after = read("Connection=dbname=coder password=b\nInterval=45\nHungJobDuration=2h\n"
                                    "HungJobExitTimeout=90m\nMaxJobsPerRun=11\nRunTimeout=61\n"
                                    "MassHangRatio=50\nMassHangMinJobs=21\nPendingJobDuration=1h\n"
                                    "DryRun=yes\nReleaseAllocations=yes\nMetricsFile=/m\n");
        CPPUNIT_ASSERT_EQUAL(
            std::string("Connection=-> Interval=1m->45s HungJobDuration=5m->2h "
                        "HungJobExitTimeout=3m->90m PendingJobDuration=0s->1h MaxJobsPerRun=10->11 "
                        "RunTimeout=5m->61s DryRun=no->yes MassHangRatio=55->50 "
                        "MassHangMinJobs=20->21 ReleaseAllocations=no->yes MetricsFile=none->/m "),
            textOf(before.changesTo(after)));
    }

    void tellsNothingOfAnotherSpelling()
    {
        const Settings before = read(connection);
        const Settings after = read("# the same\nconnection = \"dbname='coder'\"\ninterval=60s\n");
        CPPUNIT_ASSERT_EQUAL(std::string(), textOf(before.changesTo(after)));
    }

    TemporaryDirectory _directory;
};

CPPUNIT_TEST_SUITE_REGISTRATION(SettingsTest);

} // namespace HangDetection::Test
