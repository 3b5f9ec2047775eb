#include "DatabaseFixture.h"
#include "Eventually.h"

#include <cerrno>
#include <csignal>
#include <sys/types.h>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class SessionTest : public DatabaseFixture
/// The detector's session, and the roles that it may log in with.
{
    CPPUNIT_TEST_SUITE(SessionTest);
    CPPUNIT_TEST(boundsItsStatementsByTheRunTimeout);
    CPPUNIT_TEST(boundsItsWaitsForLocks);
    CPPUNIT_TEST(readsWhatIsCommittedWhateverTheRoleSays);
    CPPUNIT_TEST(compilesNothing);
    CPPUNIT_TEST(plansOnce);
    CPPUNIT_TEST(joinsInTheOrderOfTheText);
    CPPUNIT_TEST(plansAgainAfterAMigration);
    CPPUNIT_TEST(startsAnewWhenItsStatementsAreGone);
    CPPUNIT_TEST(startsAnewWhenAnothersStatementsAreThere);
    CPPUNIT_TEST(waitsForTheDiskWhereNobodyElseDoes);
    CPPUNIT_TEST(waitsForStandbysWhereTheOperatorWantsThat);
    CPPUNIT_TEST(namesItself);
    CPPUNIT_TEST(keepsTheNameThatTheOperatorGave);
    CPPUNIT_TEST(terminatesUnderASerializableRole);
    CPPUNIT_TEST(worksWithTablesInAnotherSchema);
    CPPUNIT_TEST(connectsAsARoleThatMayConnectOnce);
    CPPUNIT_TEST_SUITE_END();

    void boundsItsStatementsByTheRunTimeout()
    {
        settings().runTimeout = 120s;
        CPPUNIT_ASSERT_EQUAL(Text("2min"), settingInTheDetectorsSession("statement_timeout"));
    }

    void boundsItsWaitsForLocks()
    {
        CPPUNIT_ASSERT_EQUAL(Text("5s"), settingInTheDetectorsSession("lock_timeout"));
    }

    void readsWhatIsCommittedWhateverTheRoleSays()
    {
        useSerializableRole();
        CPPUNIT_ASSERT_EQUAL(Text("read committed"), settingInTheDetectorsSession("transaction_isolation"));
    }

    void compilesNothing() { CPPUNIT_ASSERT_EQUAL(Text("off"), settingInTheDetectorsSession("jit")); }

    void plansOnce()
    {
        CPPUNIT_ASSERT_EQUAL(Text("force_generic_plan"), settingInTheDetectorsSession("plan_cache_mode"));
    }

    void joinsInTheOrderOfTheText()
    {
        CPPUNIT_ASSERT_EQUAL(Text("1"), settingInTheDetectorsSession("join_collapse_limit"));
    }

    void plansAgainAfterAMigration()
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

    void startsAnewWhenItsStatementsAreGone()
    /// As when a pooler lends another session.
    {
        database().execute("CREATE FUNCTION deallocate() RETURNS trigger LANGUAGE plpgsql AS"
                           " 'BEGIN DEALLOCATE ALL; RETURN new; END'");
        database().execute("CREATE TRIGGER deallocate BEFORE UPDATE ON provisioner_jobs FOR EACH ROW"
                           " EXECUTE FUNCTION deallocate()");
        addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, run().terminated.size());
        const RunStatistics failed = tryRun();
        CPPUNIT_ASSERT(failed.error);
        CPPUNIT_ASSERT_EQUAL(std::string("26000"), failed.error->sqlState);
        run();
    }

    void startsAnewWhenAnothersStatementsAreThere()
    /// As when a pooler lends a session that another detector had before.
    {
        database().execute(
            "CREATE FUNCTION prepare() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN FOR i IN 4 .. 9 LOOP EXECUTE format(''PREPARE statement_%s AS SELECT 1'', i);"
            " END LOOP; RETURN new; END'");
        database().execute("CREATE TRIGGER prepare BEFORE UPDATE ON provisioner_jobs FOR EACH ROW"
                           " EXECUTE FUNCTION prepare()");
        addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, run().terminated.size());
        settings().dryRun = true;
        detector().use(settings());
        addHungJob();
        expectError("already exists", "42P05", "a pooler in session mode");
        CPPUNIT_ASSERT_EQUAL(1, run().wouldTerminate);
    }

    void waitsForTheDiskWhereNobodyElseDoes()
    {
        CPPUNIT_ASSERT_EQUAL(Text("off"), database().value("SHOW synchronous_commit"));
        CPPUNIT_ASSERT_EQUAL(Text("local"), settingInTheDetectorsSession("synchronous_commit"));
    }

    void waitsForStandbysWhereTheOperatorWantsThat()
    {
        createRole("careful_role");
        applyRoleScript("careful_role");
        database().execute("ALTER ROLE careful_role SET synchronous_commit = remote_apply");
        settings().connection = ConnectionString::parse(connectionString("careful_role"));
        CPPUNIT_ASSERT_EQUAL(Text("remote_apply"), settingInTheDetectorsSession("synchronous_commit"));
    }

    void namesItself()
    {
        CPPUNIT_ASSERT_EQUAL(Text("hang_detector"), settingInTheDetectorsSession("application_name"));
    }

    void keepsTheNameThatTheOperatorGave()
    {
        settings().connection =
            ConnectionString::parse(connectionString(detectorRole) + " application_name=night_watch");
        CPPUNIT_ASSERT_EQUAL(Text("night_watch"), settingInTheDetectorsSession("application_name"));
    }

    void terminatesUnderASerializableRole()
    {
        useSerializableRole();
        const std::vector<std::string> jobs = addHungJobs(3);
        CPPUNIT_ASSERT_EQUAL(jobs.size(), run().terminated.size());
    }

    void worksWithTablesInAnotherSchema()
    {
        createRole("schema_role");
        applyRoleScript("schema_role");
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        const std::string job = addHungBuild(workspace, 2);
        database().execute("ALTER SCHEMA public RENAME TO coder");
        database().execute("ALTER ROLE schema_role SET search_path = coder");
        database().execute("SET search_path = coder");
        settings().connection = ConnectionString::parse(connectionString("schema_role"));
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, database().logs(job).size());
    }

    void connectsAsARoleThatMayConnectOnce()
    {
        constexpr int detectors = 30;
        createRole("single_role");
        applyRoleScript("single_role");
        database().execute("ALTER ROLE single_role CONNECTION LIMIT 1");
        settings().connection = ConnectionString::parse(connectionString("single_role"));
        for (int i = 0; i < detectors; ++i) {
            run();
            const Text backend = backendOfDetector();
            forgetDetector();
            awaitEndOf(backend.value());
        }
    }

    static void awaitEndOf(const std::string& backend)
    /// The connection of a role counts until the process is gone, which is later than
    /// it is out of pg_stat_activity.
    {
        const pid_t process = std::stoi(backend);
        CPPUNIT_ASSERT(eventually(patience, [&] { return kill(process, 0) != 0 && errno == ESRCH; }));
    }

    void useSerializableRole()
    {
        createRole("serializable_role");
        applyRoleScript("serializable_role");
        database().execute("ALTER ROLE serializable_role SET default_transaction_isolation = 'serializable'");
        settings().connection = ConnectionString::parse(connectionString("serializable_role"));
    }

    Text settingInTheDetectorsSession(const std::string& setting)
    /// A trigger runs in the session of who updates, so it sees what is in force there.
    {
        database().execute("CREATE TABLE in_force (value text)");
        database().execute("CREATE FUNCTION note_setting() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN"
                           " INSERT INTO in_force VALUES (current_setting(''" +
                           setting + "'')); RETURN new; END'");
        database().execute("CREATE TRIGGER note_setting BEFORE UPDATE ON provisioner_jobs FOR EACH ROW"
                           " EXECUTE FUNCTION note_setting()");
        database().execute("GRANT INSERT ON in_force TO public");
        addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, run().terminated.size());
        return database().value("SELECT max(value) FROM in_force WHERE $1 = ''", "");
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SessionTest);

} // namespace HangDetection::Test
