#include "DatabaseFixture.h"
#include "OpenTransaction.h"
#include "Rows.h"
#include "ServerFaults.h"
#include "TemporaryDirectory.h"
#include "TerminalProcess.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <pwd.h>

#include <regex>

namespace HangDetection::Test {

namespace fs = std::filesystem;

class SetupCheckTest : public DatabaseFixture
/// `hang-detector-sim --check`, on a setup where nothing is wrong but what a test makes wrong.
{
    TEST_SUITE(SetupCheckTest);

public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        // SlurmUser has to come through.
        fs::permissions(_directory.path(), fs::perms(0755));
        useSlurmConf("JobSubmitPlugins=hang_detector\n");
        useSettings("");
    }

private:
    struct Answer
    {
        int status;
        std::string text;
    };

    Answer check(const Sim::CommandLine& options = {}, Sim::CommandLine command = {}) const
    /// Started by the command, if there is one.
    {
        command.insert(command.end(), {SIMULATOR, "--check", "--slurm-conf=" + file("slurm.conf")});
        command.insert(command.end(), options.begin(), options.end());
        const auto result = Sim::runCommand(command);
        return {result.exitStatus, result.output};
    }

    std::string file(const std::string& name) const { return (_directory.path() / name).string(); }

    void useSlurmConf(const std::string& text, const std::string& plugin = PLUGIN) const
    {
        write("slurm.conf",
              "ClusterName=c\nPluginDir=" + fs::path(plugin).parent_path().string() + '\n' + text);
    }

    void useSettings(const std::string& text, const std::string& options = "") const
    {
        write("hang_detector.conf", "Connection=host=" + server().directory().string() +
                                        " user=" + detectorRole + " dbname=" + databaseName() + ' ' +
                                        options + '\n' + text);
    }

    void write(const std::string& name, const std::string& text) const
    {
        fs::permissions(_directory.write(name, text), fs::perms(0644));
    }

    static void assertFinding(const std::string& verdict, const std::string& subject,
                              const std::string& pattern, const Answer& answer)
    /// Of one line, which has this in its text.
    {
        const std::regex line("(^|\n)" + verdict + " +" + subject + " [^\n]*" + pattern);
        CPPUNIT_ASSERT_MESSAGE(verdict + ' ' + subject + ' ' + pattern + " is not in:\n" + answer.text,
                               std::regex_search(answer.text, line));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(answer.text, verdict == "problem" ? 1 : 0, answer.status);
    }

    TEST(findsNothingWrong)
    /// On the schemas of 2023 and 2026, and changes nothing.
    {
        for (const std::string year : {"2023", "2026"}) {
            startOver();
            if (year == "2026") {
                migrateTo2026(database());
                applyRoleScript();
            }
            useSettings("PendingJobDuration=30m\nMetricsFile=" + file("d.prom") + '\n');
            const std::string job = addNamedBuild();
            database().addJob({.updatedAgo = "2 minutes"});
            database().addJob({.updatedAgo = "1 second"});
            database().addJob({.startedAgo = std::nullopt, .updatedAgo = "40 minutes"});
            const Text before = jobRow(job);
            const Answer answer = check();
            CPPUNIT_ASSERT_EQUAL_MESSAGE(answer.text, 0, answer.status);
            assertContains("\n0 problems, 0 notes\n", answer.text);
            assertFinding("ok", "slurm.conf", "slurm.conf, root:root 0644, names the plugin", answer);
            assertFinding("ok", "plugin", "is for Slurm [0-9.]+, the release of /.*/slurmctld", answer);
            assertFinding("ok", "settings", "hang_detector.conf, root:root 0644", answer);
            assertFinding("ok", "metrics", "root:root 0755", answer);
            assertFinding("ok", "server", ":5432 is reached", answer);
            assertFinding("ok", "role", "hang_detector has the rights that role.sql grants, and no others",
                          answer);
            assertFinding("ok", "schema", "in " + year, answer);
            assertFinding("ok", "clock", "came [0-9]+s ago", answer);
            assertFinding("ok", "Coder", "no detector has terminated a job", answer);
            assertFinding(
                "ok", "run",
                "would find 3 running jobs, 1 hung, 1 more silent for a minute, 1 pending, and terminate 2",
                answer);
            assertContains(job + "  workspace_build          hung     10m      kim/dev    docker",
                           answer.text);
            for (const std::string state : {"silent   2m", "running  ", "pending  40m"})
                assertContains("  template_version_import  " + state, answer.text);
            CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
            CPPUNIT_ASSERT(database().logs(job).empty());
            CPPUNIT_ASSERT(!fs::exists(file("d.prom")));
        }
    }

    std::string addNamedBuild(const std::string& owner = "kim")
    {
        CPPUNIT_ASSERT(!database().value(
            "INSERT INTO users VALUES ('11111111-0000-0000-0000-000000000000', $1) RETURNING NULL::text",
            owner));
        database().execute("INSERT INTO templates VALUES ('22222222-0000-0000-0000-000000000000', 'docker')");
        const std::string workspace = Sim::JobDatabase::newId();
        database().execute("INSERT INTO workspaces VALUES ('" + workspace +
                           "', '11111111-0000-0000-0000-000000000000',"
                           " '22222222-0000-0000-0000-000000000000', 'dev')");
        return addHungBuild(workspace, 1);
    }

    TEST(looksAtTheFilesAsSlurmUser)
    {
        if (geteuid() != 0)
            return;
        useSlurmConf("SlurmUser=slurm\n");
        _directory.write("pgpass", "*:*:*:*:x\n");
        fs::permissions(file("pgpass"), fs::perms(0600));
        fs::create_directory(file("metrics"));
        useSettings("DryRun=maybe\nInterval=0\nMetricsFile=" + file("metrics/d.prom") + '\n',
                    "passfile=" + file("pgpass"));
        Answer answer = check();
        assertFinding("ok", "user", "looks as slurm, who is SlurmUser", {0, answer.text});
        assertFinding("note", "slurm.conf", "add hang_detector at the end of JobSubmitPlugins",
                      {0, answer.text});
        assertFinding("problem", "settings", ":2: DryRun: 'maybe' is not allowed", answer);
        assertFinding("problem", "settings", ":3: Interval: '0' is out of range", answer);
        // The server wants no password.
        assertFinding("note", "passfile", "pgpass\" cannot be read: Permission denied", {0, answer.text});
        assertFinding("problem", "metrics",
                      "slurm cannot write to the directory .*metrics, root:root 0755: Permission denied",
                      answer);
        assertFinding("note", "run", "a slurmctld that starts terminates nothing", {0, answer.text});

        const passwd& slurm = *getpwnam("slurm");
        chown(file("pgpass").c_str(), slurm.pw_uid, slurm.pw_gid);
        fs::permissions(file("pgpass"), fs::perms(0644));
        assertFinding("note", "passfile", "is open to others than its owner", {0, check().text});
        {
            const HbaRule rule(server(), "local all hang_detector scram-sha-256");
            assertFinding("problem", "server", "is open to others .*; let nobody but SlurmUser read",
                          check());
        }
        fs::permissions(file("pgpass"), fs::perms(0600));
        fs::permissions(file("metrics"), fs::perms(01777));
        _directory.write("metrics/d.prom", "");
        useSettings("MetricsFile=" + file("metrics/d.prom") + '\n', "passfile=" + file("pgpass"));
        answer = check();
        assertFinding("ok", "passfile", "pgpass, slurm:slurm 0600", {0, answer.text});
        assertFinding("problem", "metrics", "belongs to another user, and the sticky bit", answer);
        fs::permissions(file("hang_detector.conf"), fs::perms(0600));
        assertFinding("problem", "settings", "cannot be read: Permission denied", check());
        assertFinding("problem", "settings", "another.conf: cannot be read",
                      check({"--settings=" + file("another.conf")}));
        useSlurmConf("SlurmUser=nobody-at-all\n");
        assertFinding("problem", "user", "SlurmUser nobody-at-all is not a user of this machine", check());
        useSlurmConf("SlurmUser=" + std::to_string(slurm.pw_uid) + '\n');
        fs::permissions(file("hang_detector.conf"), fs::perms(0644));
        fs::remove(file("metrics/d.prom"));
        useSettings("", "passfile=pgpass");
        assertFinding("note", "passfile", "the passfile \"pgpass\" does not exist",
                      check({}, {"env", "--chdir=" + _directory.path().string()}));
        assertFinding("problem", "user", "this is nobody, but SlurmUser is .*, which may see other files",
                      check({}, {"setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"}));
        fs::remove(file("slurm.conf"));
        assertFinding("problem", "slurm.conf", "slurm.conf: cannot be read: No such file", check());
    }

    TEST(comparesThePluginWithSlurmctld)
    {
        useSlurmConf("", BAD_PLUGINS "/wrong-version/x");
        assertFinding("problem", "plugin",
                      "wrong-version/job_submit_hang_detector.so is for Slurm [0-9.]+, but .*/slurmctld is "
                      "Slurm [0-9.]+",
                      check());
        useSlurmConf("", BAD_PLUGINS "/without-job-modify/x");
        assertFinding("problem", "plugin", "the symbol job_modify is missing", check());
        useSlurmConf("", "/usr/x");
        assertFinding("problem", "plugin", "job_submit_hang_detector.so is not in PluginDir \\(/usr\\)",
                      check());
    }

    TEST(seesEachRightThatIsMissingOrTooMuch)
    /// An own list has to agree with role.sql.
    {
        struct Row
        {
            const char* name;
            std::string verdict;
            std::string text;
        };
        const std::vector<Row> rows{
            {"REVOKE SELECT (stage) ON provisioner_job_logs FROM", "problem",
             "lacks SELECT \\(stage\\) ON provisioner_job_logs; run role.sql again"},
            {"REVOKE SELECT (xmin) ON provisioner_jobs FROM", "problem",
             "lacks SELECT \\(xmin\\) ON provisioner_jobs"},
            {"REVOKE UPDATE (error) ON provisioner_jobs FROM", "problem",
             "lacks UPDATE \\(error\\) ON provisioner_jobs"},
            {"REVOKE USAGE ON SEQUENCE provisioner_job_logs_id_seq FROM", "problem",
             "lacks USAGE ON SEQUENCE"},
            {"REVOKE UPDATE (canceled_at) ON provisioner_jobs FROM", "note",
             "StalledJobDuration does not work"},
            {"REVOKE SELECT (username) ON users FROM", "note", "the log has no names"},
            {"REVOKE SELECT (name) ON provisioner_daemons FROM", "note", "the log names no daemons"},
            {"GRANT SELECT (input) ON provisioner_jobs TO", "note",
             "more rights than role.sql grants: SELECT of provisioner_jobs \\(input\\)"},
            {"GRANT DELETE ON workspace_builds TO", "note", "more rights .*: DELETE of workspace_builds"},
            {"GRANT UPDATE ON SEQUENCE provisioner_job_logs_id_seq TO", "note", "UPDATE of sequences"},
            {"GRANT CREATE ON SCHEMA public TO", "note", "CREATE on the schema public"},
            {"GRANT pg_read_server_files TO", "note", "is a member of pg_read_server_files"},
            {"REVOKE SELECT (last_seen_at) ON provisioner_daemons FROM", "note",
             "the log does not say when the daemon of a job was seen"},
            {"GRANT UPDATE ON workspaces TO", "note", "more rights .*: UPDATE of workspaces \\(4 of them\\)"},
        };
        forEachRow<Row>(rows, [this](const Row& row) {
            applyRoleScript();
            database().execute(std::string(row.name) + " hang_detector");
            assertFinding(row.verdict, "role", row.text, check());
        });
        database().execute("REVOKE pg_read_server_files FROM hang_detector");
        database().execute("REVOKE CREATE ON SCHEMA public FROM hang_detector");
        database().execute("REVOKE UPDATE ON SEQUENCE provisioner_job_logs_id_seq FROM hang_detector");
        applyRoleScript();
        database().execute("CREATE TABLE secrets (id int)");
        database().execute("GRANT SELECT ON secrets TO hang_detector");
        assertFinding("note", "role", "rights on other tables \\(secrets\\)", check());
        database().execute("DROP TABLE secrets");
        useSettings("StalledJobDuration=1h\n");
        database().execute("REVOKE UPDATE (canceled_at) ON provisioner_jobs FROM hang_detector");
        assertFinding("problem", "role", "lacks UPDATE \\(canceled_at\\)", check());
        useSettings("DryRun=yes\n");
        database().execute("REVOKE UPDATE (error) ON provisioner_jobs FROM hang_detector");
        assertFinding("note", "role", "lacks UPDATE \\(error\\) ON provisioner_jobs: only a dry run works",
                      check());
        useSettings("", "user=postgres");
        assertFinding("note", "role", "is a superuser", check());
    }

    TEST(knowsTheSchema)
    {
        struct Row
        {
            const char* name;
            std::string verdict;
            std::string subject;
            std::string text;
        };
        const std::vector<Row> rows{
            {"ALTER TABLE provisioner_jobs DROP started_at", "problem", "schema",
             "there is no provisioner_jobs.started_at; this is neither the schema of 2023 nor that of 2026"},
            {"DROP TABLE workspace_builds", "problem", "schema", "no workspace_builds; .*check dbname"},
            {"DROP TABLE provisioner_daemons", "note", "schema", "no provisioner_daemons: marks"},
            {"ALTER TABLE provisioner_jobs ENABLE ROW LEVEL SECURITY", "problem", "role",
             "row level security hides rows of provisioner_jobs"},
            {"ALTER TABLE users ENABLE ROW LEVEL SECURITY", "note", "role",
             "hides rows of users: the log has no names"},
            {"REVOKE USAGE ON SCHEMA public FROM PUBLIC, hang_detector", "problem", "role",
             "lacks USAGE ON SCHEMA public; run role.sql again"},
            {"ALTER ROLE hang_detector CONNECTION LIMIT 1", "ok", "run", ""},
            {"ALTER TABLE provisioner_job_logs DROP id", "problem", "schema",
             "there is no provisioner_job_logs.id"},
        };
        forEachRow<Row>(rows, [this](const Row& row) {
            startOver();
            useSettings("");
            database().execute(row.name);
            assertFinding(row.verdict, row.subject, row.text, check());
        });
        database().execute("ALTER ROLE hang_detector CONNECTION LIMIT -1");
    }

    TEST(looksForClocksDetectorsAndIndexes)
    {
        database().addJob({.updatedAgo = "2 hours"});
        for (const std::string detector : {"the reaper", "hang detector"}) {
            const std::string job = database().addJob({.completedAgo = "1 hour"});
            database().execute(
                "UPDATE provisioner_jobs SET error = 'Coder: Build has been detected as hung for 5 "
                "minutes and has been terminated by " +
                detector + ".' WHERE id = '" + job + '\'');
        }
        database().addJobs(50000, {.completedAgo = "1 day"});
        Answer answer = check();
        assertFinding("note", "clock", "heartbeat of a running job came 2h ago: no job reports", answer);
        assertFinding("note", "Coder", "the reaper, terminated 1 job in the last 7 days, the last one 1h ago",
                      answer);
        assertFinding("ok", "Coder",
                      "this plugin, or the detector of a Coder server before mid-2025, terminated 1 job",
                      answer);
        assertFinding("note", "indexes", "run index.sql", answer);
        runScript("index.sql", DatabaseFixture::connectionString());
        database().addJob({.updatedAgo = "-5 minutes"});
        answer = check();
        assertFinding("ok", "indexes", "has the index of index.sql", answer);
        assertFinding("note", "clock", "from the future", answer);
        database().addJobs(30, {.updatedAgo = "6 minutes"});
        assertFinding("note", "run", "hold all of them back as a mass hang", check());
    }

    TEST(listsWhatMattersFirst)
    /// Whatever the names are.
    {
        database().addJobs(25, {.startedAgo = std::nullopt, .updatedAgo = "2 hours"});
        const std::string job = addNamedBuild("k\x1b\"im\xc3\xbc" + std::string(200, 'x'));
        const std::string odd = database().addJob({.completedAgo = "1 hour"});
        database().execute(
            "UPDATE provisioner_jobs SET completed_at = 'infinity', error = 'Coder: Build has been "
            "detected as hung for 5 minutes and has been terminated by hang detector.' WHERE id = '" +
            odd + '\'');
        const Answer answer = check();
        assertFinding("ok", "run", "1 running jobs, 1 hung, 0 more silent for a minute, and terminate 1",
                      answer);
        assertContains("  daemon\n" + job +
                           "  workspace_build          hung     10m      k\\x1b\"im\xc3\xbcxxx",
                       answer.text);
        assertLacks(std::string(33, 'x'), answer.text);
        assertContains("\n... and 6 more jobs\n", answer.text);
    }

    TEST(leavesOutColumnsThatDoNotFit)
    {
        const std::string job = addNamedBuild("kim");
        TerminalProcess process(
            {"env", "TERM=xterm", SIMULATOR, "--check", "--slurm-conf=" + file("slurm.conf")}, 80, 99);
        CPPUNIT_ASSERT(process.readToEnd(patience) == 0);
        const std::string text = process.screen().text();
        assertContains("\njob                                   state  silence  workspace  template\n" + job +
                           "  hung   10m      kim/dev    docker\n",
                       text);
    }

    TEST(endsWhenTheDatabaseDoesNotAnswer)
    {
        OpenTransaction migration(DatabaseFixture::connectionString(), lockOnTheJobs);
        const Answer answer = check();
        assertFinding("problem", "run", "lock timeout; a table stayed locked", answer);
        assertFinding("note", "clock", "lock timeout", {0, answer.text});
        assertContains("\n1 problem, 1 note\n", answer.text);
    }

    TEST(triesEachServer)
    {
        const Standby standby(server());
        const std::string own = server().directory().string();
        useSettings("", "host=/nowhere," + standby.directory().string() + ',' + own);
        const Answer answer = check();
        assertFinding("note", "server", "\"/nowhere/.s.PGSQL.5432\" failed: No such file", answer);
        assertFinding("note", "server", "read-only.*let Connection name the primary", answer);
        assertFinding("ok", "server", own + ":5432 is reached", answer);
        useSettings("", "target_session_attrs=any host=" + standby.directory().string());
        assertFinding("problem", "server", "the server is a standby; let Connection name the primary",
                      check());
        useSettings("DryRun=yes\n", "target_session_attrs=any host=" + standby.directory().string());
        assertFinding("note", "server", "the server is a standby: only a dry run works", check());
        useSettings("", "host=/nowhere");
        assertFinding("problem", "server", "/nowhere.* failed", check());
    }

    TEST(answersForPrograms)
    {
        useSettings("Interval=0\n");
        const std::string job = addHungJob();
        const Answer answer = check({"--json"});
        CPPUNIT_ASSERT_EQUAL(1, answer.status);
        const auto report = Poco::JSON::Parser().parse(answer.text).extract<Poco::JSON::Object::Ptr>();
        CPPUNIT_ASSERT_EQUAL(1, report->getValue<int>("problems"));
        CPPUNIT_ASSERT_EQUAL(job, report->getArray("jobs")->getObject(0)->getValue<std::string>("job_id"));
        CPPUNIT_ASSERT_EQUAL(std::string("hung"),
                             report->getArray("jobs")->getObject(0)->getValue<std::string>("state"));
        bool isFound = false;
        for (const auto& finding : *report->getArray("findings")) {
            const auto object = finding.extract<Poco::JSON::Object::Ptr>();
            isFound = isFound || (object->getValue<std::string>("verdict") == "problem" &&
                                  object->getValue<std::string>("subject") == "settings");
        }
        CPPUNIT_ASSERT_MESSAGE(answer.text, isFound);
    }

    const TemporaryDirectory _directory;
};

} // namespace HangDetection::Test
