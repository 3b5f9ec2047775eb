#include "DatabaseFixture.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class SessionTest : public DatabaseFixture
/// The detector's session, and the roles that it may log in with.
{
    TEST_SUITE(SessionTest);

    TEST(hasSettingsOfItsOwnWhateverTheRoleSays)
    {
        CPPUNIT_ASSERT_EQUAL(Text("off"), database().value("SHOW synchronous_commit"));
        useRole("serializable_role", "SET default_transaction_isolation = 'serializable'");
        settings().runTimeout = 120s;
        expectInForce({{"statement_timeout", "2min"},
                       {"lock_timeout", "5s"},
                       {"transaction_isolation", "read committed"},
                       {"jit", "off"},
                       {"plan_cache_mode", "force_generic_plan"},
                       {"join_collapse_limit", "1"},
                       {"synchronous_commit", "local"},
                       {"application_name", "hang_detector"}});
    }

    TEST(saysOnceWhatItIsConnectedTo)
    {
        for (int i = 0; i < 2; ++i)
            run();
        endSessionOfDetector();
        run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().connected.size());
        const DatabaseFacts& facts = posted().connected.at(0);
        assertContains(server().directory().string() + ':', facts.server);
        CPPUNIT_ASSERT_EQUAL(std::string("2023"), facts.schema);
        CPPUNIT_ASSERT_EQUAL(std::string(), facts.tls);
        migrateTo2026(database());
        forgetDetector();
        run();
        CPPUNIT_ASSERT_EQUAL(std::string("2026"), posted().connected.at(1).schema);
    }

    TEST(keepsWhatTheOperatorWants)
    /// To wait for standbys, and another name.
    {
        useRole("careful_role", "SET synchronous_commit = remote_apply", " application_name=night_watch");
        expectInForce({{"synchronous_commit", "remote_apply"}, {"application_name", "night_watch"}});
    }

    TEST(plansAgainAfterAMigration)
    {
        const std::string workspace = Sim::JobDatabase::newId();
        addHungBuild(workspace, 1);
        run();
        database().execute(
            "ALTER TABLE provisioner_jobs ADD COLUMN later text, ALTER COLUMN error TYPE varchar");
        database().execute("ALTER TABLE workspace_builds ALTER COLUMN build_number TYPE bigint");
        database().execute("DROP INDEX provisioner_job_logs_job_id_id_idx");
        database().execute("ALTER TABLE workspaces RENAME COLUMN name TO title");
        database().execute("ALTER TABLE workspaces ADD COLUMN name text DEFAULT 'newer'");
        const std::string job = addHungBuild(workspace, 2);
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, database().logs(job).size());
    }

    TEST(startsAnewWhenItsStatementsAreGone)
    /// As when a pooler lends another session.
    {
        duringTermination("DEALLOCATE ALL");
        addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, run().terminated.size());
        const RunStatistics failed = tryRun();
        CPPUNIT_ASSERT(failed.error);
        CPPUNIT_ASSERT_EQUAL(std::string("26000"), failed.error->sqlState);
        run();
    }

    TEST(startsAnewWhenAnothersStatementsAreThere)
    /// As when a pooler lends a session that another detector had before.
    {
        duringTermination(
            "FOR i IN 5 .. 9 LOOP EXECUTE format('PREPARE statement_%s AS SELECT 1', i); END LOOP");
        addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, run().terminated.size());
        settings().dryRun = true;
        detector().use(settings());
        addHungJob();
        expectError("already exists", "42P05", "a pooler in session mode");
        CPPUNIT_ASSERT_EQUAL(1, run().wouldTerminate);
    }

    TEST(worksWithTablesInAnotherSchema)
    {
        useRole("schema_role", "SET search_path = coder");
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        const std::string job = addHungBuild(workspace, 2);
        database().execute("ALTER SCHEMA public RENAME TO coder");
        database().execute("SET search_path = coder");
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, database().logs(job).size());
    }

    void useRole(const std::string& role, const std::string& property, const std::string& options = "")
    /// A role of the detector that has this property, with these options of a connection string.
    {
        createRole(role);
        applyRoleScript(role);
        database().execute("ALTER ROLE " + role + ' ' + property);
        settings().connection = ConnectionString::parse(connectionString(role) + options);
    }

    void expectInForce(const std::map<std::string, std::string>& expected)
    /// The settings of the detector's session when it terminates jobs.
    {
        database().execute("CREATE TABLE in_force (setting text, value text)");
        database().execute("GRANT SELECT, UPDATE ON in_force TO public");
        for (const auto& [setting, value] : expected)
            database().execute("INSERT INTO in_force VALUES ('" + setting + "')");
        duringTermination("UPDATE in_force SET value = current_setting(setting)");
        addHungJobs(3);
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, run().terminated.size());
        for (const auto& [setting, value] : expected)
            CPPUNIT_ASSERT_EQUAL_MESSAGE(
                setting, Text(value),
                database().value("SELECT value FROM in_force WHERE setting = $1", setting));
    }
};

} // namespace HangDetection::Test
