#include "DatabaseFixture.h"
#include "ThrownBy.h"

#include <Poco/StringTokenizer.h>

#include <regex>

namespace HangDetection::Test {

class RoleTest : public DatabaseFixture
/// What the detector's role may do: what the detector does, and nothing else.
{
    TEST_SUITE(RoleTest);

    TEST(needsEachOfItsPrivileges)
    {
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        const std::string job = addHungBuild(workspace, 2);
        std::vector<std::string> privileges = privilegesOfTheRole();
        CPPUNIT_ASSERT_EQUAL(std::size_t{14}, std::erase_if(privileges, readsNames));
        // StalledJobsTest shows what happens without these.
        CPPUNIT_ASSERT_EQUAL(std::size_t{1},
                             std::erase(privileges, "UPDATE (canceled_at) ON provisioner_jobs"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1},
                             std::erase(privileges, "SELECT (created_at) ON provisioner_job_logs"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{30}, privileges.size());
        for (const std::string& privilege : privileges) {
            database().execute("REVOKE " + privilege + " FROM hang_detector");
            const RunStatistics statistics = tryRun();
            CPPUNIT_ASSERT_MESSAGE("not needed: " + privilege, statistics.error);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(privilege, std::string("42501"), statistics.error->sqlState);
            CPPUNIT_ASSERT_MESSAGE(privilege, !isCompleted(job));
            database().execute("GRANT " + privilege + " TO hang_detector");
        }
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        CPPUNIT_ASSERT_EQUAL(BuildState::copied, posted().terminated.front().state);
    }

    TEST(needsNoPrivilegeToWriteInADryRun)
    {
        settings().dryRun = true;
        settings().pendingJobDuration = std::chrono::minutes(30);
        settings().stalledJobDuration = std::chrono::minutes(10);
        database().addJob({.updatedAgo = "1 second"});
        addHungBuild(Sim::JobDatabase::newId(), 1);
        database().addJob({.startedAgo = std::nullopt, .updatedAgo = "31 minutes"});
        for (const std::string& privilege : privilegesOfTheRole()) {
            if (!privilege.starts_with("SELECT"))
                database().execute("REVOKE " + privilege + " FROM hang_detector");
        }
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(2, statistics.wouldTerminate);
        CPPUNIT_ASSERT_EQUAL(1, statistics.wouldCancel);
    }

    TEST(isDeniedAnythingElse)
    /// As it has no more privileges than those that needsEachOfItsPrivileges counts.
    {
        Sim::JobDatabase detector(connectionString(detectorRole));
        for (const char* const sql :
             {"DELETE FROM provisioner_jobs", "SELECT input FROM provisioner_jobs",
              "SELECT output FROM provisioner_job_logs", "UPDATE provisioner_jobs SET worker_id = NULL",
              "INSERT INTO workspace_builds (id) VALUES (gen_random_uuid())",
              "SELECT setval('provisioner_job_logs_id_seq', 1)", "CREATE TABLE of_its_own (id int)",
              "ALTER TABLE provisioner_jobs DISABLE TRIGGER ALL", "CREATE ROLE another_one"})
            expectDenied(detector, sql);
    }

    TEST(losesWhatWasGrantedBeyondTheScript)
    {
        const std::vector<std::string> before = privilegesOfTheRole();
        database().execute("GRANT ALL ON provisioner_jobs, workspace_builds TO hang_detector");
        database().execute("GRANT SELECT (output) ON provisioner_job_logs TO hang_detector");
        CPPUNIT_ASSERT(before != privilegesOfTheRole());
        applyRoleScript();
        CPPUNIT_ASSERT_EQUAL(before, privilegesOfTheRole());
        Sim::JobDatabase detector(connectionString(detectorRole));
        expectDenied(detector, "DELETE FROM provisioner_jobs");
    }

    TEST(saysInOneLineWhatTheOperatorLacks)
    {
        const auto refused = [&](const std::string& connection, const std::string& reason) {
            const auto error = thrownBy<std::runtime_error>(
                [&] { applyRoleScriptTo(connection, "hang_detector_2"); }, reason);
            assertContains("role.sql:", error.what());
            assertContains("ERROR:  " + reason, error.what());
            assertLacks("CONTEXT", error.what());
        };
        createRole("operator_of_coder");
        refused(connectionString("operator_of_coder"), "run it as a superuser, or as the owner of the tables "
                                                       "of Coder with CREATEROLE: operator_of_coder may "
                                                       "not make a role");
        database().execute("ALTER ROLE operator_of_coder CREATEROLE");
        refused(connectionString("operator_of_coder"),
                "run it as a superuser or as the owner of the tables of Coder: "
                "operator_of_coder does not own provisioner_");
        refused(server().connectionString("postgres"),
                "this database has no table provisioner_jobs; name the database "
                "of Coder, as in psql --dbname=coder");
        CPPUNIT_ASSERT(database().isTrue("SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)",
                                         "hang_detector_2"));
        database().execute("DROP ROLE operator_of_coder");
    }

    TEST(isRemovedByTheOwnerOfTheTables)
    {
        createRole("owner_of_coder");
        database().execute("ALTER ROLE owner_of_coder CREATEROLE");
        database().execute("GRANT CREATE ON SCHEMA public TO owner_of_coder");
        database().execute("DO $$DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class WHERE relkind = "
                           "'r' AND relnamespace = 'public'::regnamespace LOOP EXECUTE 'ALTER TABLE ' || t "
                           "|| ' OWNER TO owner_of_coder'; END LOOP; END$$");
        const std::string owner = connectionString("owner_of_coder");
        applyRoleScriptTo(owner, "hang_detector_3");
        runScript("index.sql", owner);
        const std::string job = addHungJob();
        const Text before = jobRow(job);
        for (int i = 0; i < 2; ++i)
            runScript("remove.sql", owner, {"--set=role=hang_detector_3"});
        CPPUNIT_ASSERT(database().isTrue("SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)",
                                         "hang_detector_3"));
        CPPUNIT_ASSERT(database().isTrue("SELECT to_regclass($1) IS NULL", "hang_detector_running_jobs"));
        CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
        database().execute("REASSIGN OWNED BY owner_of_coder TO CURRENT_USER");
        database().execute("DROP OWNED BY owner_of_coder");
        database().execute("DROP ROLE owner_of_coder");
    }

    TEST(warnsWhereEverybodyMayCreate)
    {
        const std::string warning = "WARNING: everybody may create functions and operators in schema public";
        database().execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
        CPPUNIT_ASSERT(applyRoleScript().find("WARNING") == std::string::npos);
        database().execute("GRANT CREATE ON SCHEMA public TO PUBLIC");
        const std::string printed = applyRoleScript();
        CPPUNIT_ASSERT_MESSAGE(printed, printed.find(warning) != std::string::npos);
    }

    static bool readsNames(const std::string& privilege)
    /// Which nobody needs.
    {
        static const std::regex reading(
            R"(SELECT \(.* ON (workspaces|users|templates|template_versions|provisioner_daemons)|.*worker_id.*)");
        return std::regex_match(privilege, reading);
    }

    std::vector<std::string> privilegesOfTheRole()
    /// On tables, columns and sequences, each as it stands in GRANT and REVOKE up to the role.
    {
        const Text all = database().value(
            "SELECT string_agg(privilege, ';' ORDER BY privilege) FROM ("
            "SELECT a.privilege_type || ' (' || c.attname || ') ON ' || c.attrelid::regclass AS privilege"
            " FROM pg_attribute c, aclexplode(c.attacl) a WHERE a.grantee = $1::regrole"
            " UNION ALL "
            "SELECT a.privilege_type || ' ON ' || CASE r.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END"
            " || r.oid::regclass FROM pg_class r, aclexplode(r.relacl) a WHERE a.grantee = $1::regrole)"
            " AS privileges",
            detectorRole);
        const Poco::StringTokenizer privileges(all.value(), ";");
        return {privileges.begin(), privileges.end()};
    }

    static void expectDenied(Sim::JobDatabase& session, const std::string& sql)
    {
        try {
            session.execute(sql);
        } catch (const Poco::Exception& exception) {
            const std::string text = exception.displayText();
            CPPUNIT_ASSERT_MESSAGE(text, text.find("permission denied") != std::string::npos ||
                                             text.find("must be owner") != std::string::npos);
            return;
        }
        CPPUNIT_FAIL("not denied: " + sql);
    }
};

} // namespace HangDetection::Test
