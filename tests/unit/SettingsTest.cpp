#include "Settings.h"

#include "SettingsFile.h"
#include "Suite.h"
#include "TemporaryDirectory.h"
#include "ThrownBy.h"

#include <filesystem>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace HangDetection::Test {

using std::chrono::seconds;

namespace fs = std::filesystem;

class SettingsTest : public CppUnit::TestFixture
{
    TEST_SUITE(SettingsTest);

    const std::string _connection = "Connection=dbname=coder\n";

    fs::path write(const std::string& text) const { return _directory.write("hang_detector.conf", text); }

    Settings read(const std::string& text) const { return Settings::read(write(text)); }

    static void expectFileRefused(const fs::path& file, const std::string& reason, const std::string& name)
    /// The reason is what follows the path of the file.
    {
        const auto error = thrownBy<SettingsError>([&] { Settings::read(file); }, name);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(name, file.string() + reason, std::string(error.what()));
    }

    void expectRefused(const std::string& text, const std::string& reason) const
    {
        expectFileRefused(write(text), reason, text);
    }

    static std::string changes(const Settings& before, const Settings& after)
    {
        std::string text;
        for (const SettingChange& change : before.changesTo(after))
            text += change.key + '=' + change.before + "->" + change.after + ' ';
        return text;
    }

    TEST(findsAllErrorsAtOnce)
    /// But none that only follows from another one.
    {
        const fs::path file = write("no setting\nConection=x\nInterval=soon\nHungJobDuration=1s\n"
                                    "HungJobExitTimeout=6m\nEndedJobDuration=10m\nDryRun=yes\nDryRun=no\n");
        fs::permissions(file, fs::perms::others_write, fs::perm_options::add);
        const SettingsReport report = Settings::examine(file);
        std::string errors;
        for (const std::string& error : report.errors)
            errors += error.substr(file.string().size(), error.find(';') - file.string().size()) + '\n';
        CPPUNIT_ASSERT_EQUAL(
            std::string(": can be written by everybody\n:1: not a setting\n"
                        ":2: Conection: is not a known key\n"
                        ":3: Interval: 'soon' is not a duration\n"
                        ":4: HungJobDuration: '1s' is out of range\n"
                        ":8: DryRun: is set twice, first in line 7\n"
                        ":6: EndedJobDuration: needs TrustedUsers with the users whose Slurm jobs "
                        "run provisioner daemons: any other user could have jobs terminated by a "
                        "mark\n"),
            errors);
        CPPUNIT_ASSERT(report.settings.dryRun);
        for (const char* const rest : {"EndedJobDuration=30s\nTrustedUsers=nobody-at-all\n",
                                       "HungJobDuration=2m\nHungJobExitTimeout=soon\n", "Interval\n"})
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, Settings::examine(write(_connection + rest)).errors.size());
        // It may be the line of Connection.
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, Settings::examine(write("Connection=\"x\n")).errors.size());
    }

    TEST(readsEveryKey)
    {
        const Settings settings = read(
            "Connection=dbname=coder password=b\nCleartextPassword=yes\nInterval=45\nHungJobDuration=2h\n"
            "HungJobExitTimeout=90m\nPendingJobDuration=1h\nEndedJobDuration=30s\nTrustedUsers=root, 4711\n"
            "StalledJobDuration=2h\nMaxJobsPerRun=11\nRunTimeout=61\nDryRun=yes\n"
            "MassHangRatio=50\nMassHangMinJobs=21\nReleaseAllocations=yes\nMetricsFile=/m\n");
        ConnectionString connection = ConnectionString::parse("dbname=coder password=b");
        CPPUNIT_ASSERT(settings.connection != connection);
        connection.allowCleartextPassword(true);
        CPPUNIT_ASSERT(settings.connection == connection);
        CPPUNIT_ASSERT(settings.interval == seconds(45));
        CPPUNIT_ASSERT(settings.hungJobDuration == seconds(7200));
        CPPUNIT_ASSERT(settings.hungJobExitTimeout == seconds(5400));
        CPPUNIT_ASSERT(settings.pendingJobDuration == seconds(3600));
        CPPUNIT_ASSERT(settings.endedJobDuration == seconds(30));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, settings.trustedUsers.size());
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{0}, settings.trustedUsers.at(0).number);
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{4711}, settings.trustedUsers.at(1).number);
        CPPUNIT_ASSERT(settings.stalledJobDuration == seconds(7200));
        CPPUNIT_ASSERT_EQUAL(11, settings.maxJobsPerRun);
        CPPUNIT_ASSERT(settings.runTimeout == seconds(61));
        CPPUNIT_ASSERT(settings.dryRun);
        CPPUNIT_ASSERT_EQUAL(50, settings.massHangRatio);
        CPPUNIT_ASSERT_EQUAL(21, settings.massHangMinJobs);
        CPPUNIT_ASSERT(settings.releaseAllocations);
        CPPUNIT_ASSERT_EQUAL(std::string("/m"), settings.metricsFile.string());
        // The connection may hold a password.
        CPPUNIT_ASSERT_EQUAL(
            std::string("Connection=-> CleartextPassword=no->yes Interval=1m->45s HungJobDuration=5m->2h "
                        "HungJobExitTimeout=3m->90m PendingJobDuration=0->1h EndedJobDuration=0->30s "
                        "TrustedUsers=none->root,4711 StalledJobDuration=0->2h MaxJobsPerRun=10->11 "
                        "RunTimeout=5m->61s DryRun=no->yes "
                        "MassHangRatio=55->50 MassHangMinJobs=20->21 ReleaseAllocations=no->yes "
                        "MetricsFile=none->/m "),
            changes(read("Connection=dbname=coder password=a\n"), settings));
    }

    TEST(tellsWhatDiffersFromTheDefaults)
    {
        const auto expect = [this](const std::string& expected, const std::string& text) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(text, expected, changes(read(_connection), read(text)));
        };
        expect("", "# the same\nconnection = \"dbname='coder'\"\ninterval=60s\n");
        expect("Interval=1m->30s MaxJobsPerRun=10->7 ",
               "  CONNECTION = dbname=coder  \n\tinterval\t=\t30s\nMAXJOBSPERRUN = \"7\"\n");
        expect("Interval=1m->30s ", "# Interval=1\n\n   \n   # Interval=2\nConnection=dbname=coder # the "
                                    "database\nInterval=30 # Interval=3");
        expect("Interval=1m->30s ", "Connection=dbname=coder\r\nInterval=30\r\n\r\n");
        expect("Interval=1m->30s ", "\xef\xbb\xbfInterval=30\nConnection=dbname=coder\n");
        expect("ReleaseAllocations=no->yes ",
               _connection + "ReleaseAllocations=YES\nDryRun=No\nPendingJobDuration=0\nMetricsFile=\n");
        // The limits of a range.
        expect("Interval=1m->1s MaxJobsPerRun=10->1 ", _connection + "Interval=1\nMaxJobsPerRun=1\n");
        expect("Interval=1m->1h MaxJobsPerRun=10->10000 ",
               _connection + "Interval=1h\nMaxJobsPerRun=10000\n");
    }

    TEST(keepsAHashInsideAValue)
    {
        const Settings quoted =
            read("Connection=\"dbname=coder options='-c #1'\"\nInterval=\"30s\" # a comment\n");
        CPPUNIT_ASSERT(quoted.connection == ConnectionString::parse("dbname=coder options='-c #1'"));
        CPPUNIT_ASSERT(quoted.interval == seconds(30));
        const Settings plain = read("Connection=dbname=coder password=a#b\n");
        CPPUNIT_ASSERT(plain.connection == ConnectionString::parse("dbname=coder password='a#b'"));
    }

    TEST(refusesAWrongValue)
    {
        struct Rule
        {
            std::string key;
            std::vector<std::string> wrongValues;
            std::string reason;
        };
        const std::string units = ", in seconds or with s, m or h (90, 90s, 5m, 1h)";
        const std::vector<Rule> rules{
            {"Interval", {"5x", "", "none"}, "is not a duration; allowed: 1s to 1h" + units},
            {"Interval", {"0", "3601"}, "is out of range; allowed: 1s to 1h" + units},
            {"PendingJobDuration", {"59"}, "is out of range; allowed: 0, or 1m to 168h" + units},
            {"MaxJobsPerRun",
             {"0", "10001", "ten", "", "1.5", "1 0", "99999999999999999999", "+5"},
             "is not allowed; allowed: a whole number from 1 to 10000"},
            {"DryRun", {"", "1", "yes please"}, "is not allowed; allowed: yes or no"},
            {"MetricsFile",
             {"metrics.prom", "/var/lib/metrics/"},
             "is not allowed; allowed: an absolute path of a file, or nothing for no file"}};
        for (const auto& [key, wrongValues, reason] : rules) {
            for (const std::string& value : wrongValues)
                expectRefused(_connection + key + "=" + value + "\n",
                              ":2: " + key + ": '" + value + "' " + reason);
        }
    }

    TEST(refusesAWrongText)
    {
        expectRefused("Connection=dbname=coder\n\nIntervall=5\n",
                      ":3: Intervall: is not a known key; allowed: Connection, CleartextPassword, Interval, "
                      "HungJobDuration, "
                      "HungJobExitTimeout, PendingJobDuration, EndedJobDuration, TrustedUsers, "
                      "StalledJobDuration, MaxJobsPerRun, RunTimeout, DryRun, MassHangRatio, "
                      "MassHangMinJobs, ReleaseAllocations, MetricsFile");
        expectRefused("Connection=dbname=coder\nInterval=5\n# again\nINTERVAL=5\n",
                      ":4: INTERVAL: is set twice, first in line 2; each key is allowed once");
        expectRefused(
            "HungJobExitTimeout=5m\nConnection=dbname=coder\n",
            ":1: HungJobExitTimeout: HungJobExitTimeout (5m) must be shorter than HungJobDuration (5m)");
        expectRefused(
            "Connection=dbname=coder\nHungJobDuration=2m\n",
            ":2: HungJobDuration: HungJobExitTimeout (3m) must be shorter than HungJobDuration (2m)");
        expectRefused(_connection + "EndedJobDuration=30s\n",
                      ":2: EndedJobDuration: needs TrustedUsers with the users whose Slurm jobs run "
                      "provisioner daemons: any "
                      "other user could have jobs terminated by a mark");
        expectRefused(
            _connection + "EndedJobDuration=5m\nTrustedUsers=root\n",
            ":2: EndedJobDuration: EndedJobDuration (5m) must be shorter than HungJobDuration (5m)");
        expectRefused(
            _connection + "TrustedUsers=root,no such user\n",
            ":2: TrustedUsers: 'no such user' is no user of this machine; allowed: names or numbers of "
            "users, separated by commas");
        expectRefused("Interval=5\n",
                      ": Connection: is missing; add Connection= with a libpq connection string or "
                      "URI, such as Connection=postgresql://hang_detector@db.example.org/coder");
        expectRefused("Connection=\n", ":1: Connection: is empty; allowed: a libpq connection string or URI");
        const std::string noConnection =
            ":1: Connection: is not a libpq connection string; allowed: keyword=value pairs, such as "
            "host=db.example.org dbname=coder user=hang_detector, or a URI, such as "
            "postgresql://hang_detector@db.example.org/coder";
        expectRefused("Connection=somewhere\n", noConnection);
        for (const std::string word : {"dbnam", "dbnames", "dbnqme", "dbnmae"})
            expectRefused("Connection=host=db " + word + "=coder\n",
                          noConnection + "; is dbname misspelled?");
        for (const std::string text :
             {"password=open hst=77", "dbname=coder password = hst=x a", "hst user=a"})
            expectRefused("Connection=" + text + '\n', noConnection);
        expectRefused(std::string(64 * 1024 + 1, '#'),
                      ": is larger than 64 KiB, so it is not a settings file");

        expectRefused(_connection + "Interval=\"30s\n", ":2: Interval: has no closing quote");
        for (const std::string value : {"\"30s\"m", "\"30s\" m", "\"30s\"# no comment"})
            expectRefused(
                _connection + "Interval=" + value + "\n",
                ":2: Interval: has text after the closing quote; only a blank and a comment may follow");
        for (const std::string line :
             {"Interval", "Interval 5", "=5", "Inter val=5", "<Interval>=5", "\uFEFFInterval=5"})
            expectRefused(_connection + line + "\n",
                          ":2: not a setting; a line is Key=Value, or a comment that starts with #");
        for (const std::string& value : {std::string("5\x1b[0m"), std::string("5\0", 2)})
            expectRefused(
                _connection + "Interval=" + value + "\n",
                ":2: Interval: holds a control character; allowed are printable characters and blanks");
    }

    TEST(refusesAFileThatIsNotOurs)
    {
        expectFileRefused(_directory.path() / "none.conf",
                          ": cannot be read: No such file or directory; it belongs beside slurm.conf, and "
                          "slurmctld reads it as SlurmUser: chown root:slurm and chmod 0640",
                          "no file");
        const fs::path foreign = write(_connection);
        fs::permissions(foreign, fs::perms::others_write, fs::perm_options::add);
        const std::string advice = "; run chown root:slurm and chmod 0640 on it";
        expectFileRefused(foreign, ": can be written by everybody" + advice, "others may write it");
        fs::permissions(foreign, fs::perms(0660));
        CPPUNIT_ASSERT_MESSAGE("run this test as root", chown(foreign.c_str(), 0, 65534) == 0);
        expectFileRefused(foreign,
                          ": can be written by the group with the number 65534, which is neither root's nor "
                          "SlurmUser's" +
                              advice,
                          "another group may write it");
        CPPUNIT_ASSERT_EQUAL(0, chown(foreign.c_str(), 65534, 0));
        expectFileRefused(foreign,
                          ": belongs to the user with the number 65534, who is neither root nor SlurmUser" +
                              advice,
                          "a file of somebody else");
        // SlurmUser may own it.
        fs::permissions(_directory.path(), fs::perms(0711));
        CPPUNIT_ASSERT_EQUAL(0, seteuid(65534));
        const std::shared_ptr<void> asRootAgain(nullptr, [](void*) { seteuid(0); });
        Settings::read(foreign);
    }

    TEST(refusesWhatIsNoRegularFile)
    {
        const fs::path pipe = _directory.path() / "pipe.conf";
        CPPUNIT_ASSERT_EQUAL(0, mkfifo(pipe.c_str(), 0600));
        for (const fs::path& file : {_directory.path(), pipe, fs::path("/dev/zero")})
            expectFileRefused(file, ": is not a regular file", file.string());
    }

    TEST(refusesAPasswordThatEverybodyCanRead)
    {
        const auto letEverybodyRead = [](const fs::path& file) {
            fs::permissions(file, fs::perms::others_read, fs::perm_options::add);
            return file;
        };
        expectFileRefused(letEverybodyRead(write("Interval=5\nConnection=password=geheim\n")),
                          ":2: Connection: holds a password, but everybody can read the file; run chown "
                          "root:slurm and chmod 0640 on it, or move the password to a passfile",
                          "a password");
        Settings::read(letEverybodyRead(write(_connection)));
    }

    TEST(neverQuotesTheConnection)
    {
        // Each of them is refused, and libpq's own message would quote the password of the first two.
        for (const std::string text :
             {"host=db password=my geheim", "password=x geheim=1", "password='geheim",
              "connect_timeout=geheim", "postgresql://user:geheim@[db/x"}) {
            const auto error = thrownBy<SettingsError>([&] { read("Connection=" + text + "\n"); }, text);
            CPPUNIT_ASSERT_MESSAGE(text, std::string(error.what()).find("heim") == std::string::npos);
        }
    }

    TemporaryDirectory _directory;
};

} // namespace HangDetection::Test
