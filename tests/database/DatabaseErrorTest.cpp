#include "DatabaseFixture.h"
#include "Rows.h"
#include "ServerFaults.h"
#include "TemporaryDirectory.h"
#include "TerminationFaults.h"

#include <sys/resource.h>

namespace HangDetection::Test {

namespace fs = std::filesystem;

class DatabaseErrorTest : public DatabaseFixture
/// Databases that a run cannot work with, and what the operator is told; OutageTest has more of them.
/// That no text holds the password is checked for each run of each test by the fixture.
{
    TEST_SUITE(DatabaseErrorTest);

    struct Row
    {
        const char* name;
        std::string connection;
        std::string cause;
        std::string sqlState;
        std::string advice;
        std::string sql = {};
        /// What happens to the database, as its superuser.
        std::string newRole = {};
        const char* rule = nullptr;
        /// In the server's pg_hba.conf.
    };

    TEST(tellsWhatIsWrongWithTheDatabase)
    {
        const std::string directory = server().directory().string();
        const TemporaryDirectory files;
        const auto passfileWith = [&](const std::string& line, fs::perms mode) {
            const fs::path file =
                files.write("passfile-" + std::to_string(static_cast<int>(mode)), line + '\n');
            fs::permissions(file, mode);
            return file.string();
        };
        const std::string own = connectionString(detectorRole);
        const auto withPassfile = [&](const std::string& file) {
            return "host=" + directory + " user=password_role dbname=" + databaseName() + " passfile=" + file;
        };
        const char* const passwordNeeded = "local all password_role scram-sha-256";
        const std::vector<Row> rows{
            // The last dbname of a connection string counts.
            {"no such database", own + " dbname=somebody_elses", "database \"somebody_elses\" does not exist",
             "3D000", "check dbname of Connection"},
            {"wrong password", connectionString("password_role"),
             "FATAL:  password authentication failed for user \"password_role\"", "28P01",
             "correct the password in the passfile", "ALTER ROLE password_role PASSWORD 'another one'",
             "password_role", passwordNeeded},
            {"no passfile", withPassfile("/nowhere/pgpass"),
             "no password supplied; the passfile \"/nowhere/pgpass\" does not exist", "",
             "put the password into a file that only SlurmUser can read", "", "password_role",
             passwordNeeded},
            {"a passfile for everybody", withPassfile(passfileWith("*:*:*:*:x", fs::perms(0644))),
             "is open to others than its owner, so libpq does not read it", "", "chmod 0600", "",
             "password_role", passwordNeeded},
            {"a passfile for somebody else", withPassfile(passfileWith("*:*:*:another:x", fs::perms(0600))),
             "has no line for " + directory + ":5432:" + databaseName() + ":password_role", "",
             "add this line to the passfile", "", "password_role", passwordNeeded},
            {"one server refuses, in the midst of two that are down",
             connectionString("nobody_at_all") + " host=/nowhere/first," + directory + ",/nowhere/last",
             "role \"nobody_at_all\" does not exist; connection to server on socket \"/nowhere/last", "28000",
             "check user and password of Connection"},
            {"no privilege to connect", own, "permission denied for database", "42501",
             "the privilege to connect",
             "REVOKE CONNECT ON DATABASE " + databaseName() + " FROM public, hang_detector"},
            {"no column", own, "column \"started_at\" does not exist", "42703", "check dbname",
             "ALTER TABLE provisioner_jobs DROP COLUMN started_at"},
        };
        forEachRow<Row>(rows, [this](const Row& row) {
            startOver();
            const std::string job = addHungJob();
            if (!row.newRole.empty())
                createRole(row.newRole);
            if (!row.sql.empty())
                database().execute(row.sql);
            std::optional<HbaRule> rule;
            if (row.rule)
                rule.emplace(server(), row.rule);
            const Text before = jobRow(job);
            settings().connection = ConnectionString::parse(row.connection);
            expectError(row.cause, row.sqlState, row.advice);
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().finished.size());
            CPPUNIT_ASSERT_EQUAL(row.sqlState, posted().finished.front().error.value().sqlState);
            CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
            CPPUNIT_ASSERT(database().logs(job).empty());
        });
    }

    TEST(tellsThatTheDatabaseTakesNoConnections)
    {
        // Not by a session of its own.
        Sim::JobDatabase(server().connectionString("postgres"))
            .execute("ALTER DATABASE " + databaseName() + " ALLOW_CONNECTIONS false");
        expectError("is not currently accepting connections", "55000", "ALLOW_CONNECTIONS");
    }

    TEST(worksAgainWhenNewSessionsMayWrite)
    {
        const std::string job = addHungJob();
        database().execute("ALTER DATABASE " + databaseName() + " SET default_transaction_read_only = on");
        settings().connection =
            ConnectionString::parse(connectionString(detectorRole) + " target_session_attrs=any");
        expectError("read-only transaction", "25006", "let Connection name the primary");
        database().execute("ALTER DATABASE " + databaseName() + " RESET default_transaction_read_only");
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    TEST(findsThePrimaryBesideItsStandby)
    /// Without the primary the standby is not all that is wrong.
    {
        const Standby standby(server());
        const auto connectTo = [&](const std::string& other) {
            // The last host of a connection string counts.
            settings().connection = ConnectionString::parse(
                connectionString(detectorRole) + " host=" + standby.directory().string() + ',' + other);
            forgetDetector();
        };
        const std::string job = addHungJob();
        connectTo("/nowhere/to/be/found");
        expectError("read-only", "", "check Connection in hang_detector.conf, the network");
        connectTo(server().directory().string());
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        CPPUNIT_ASSERT(isCompleted(job));
    }

    TEST(showsNoPasswordThatTheDatabaseRepeats)
    {
        const std::string job = addHungJob();
        database().addLog(job, "a geheim123 of the connection");
        run();
        CPPUNIT_ASSERT_EQUAL(std::string("a *** of the connection"), posted().terminated.at(0).stage);
        CPPUNIT_ASSERT(isCompleted(job));
    }

    TEST(saysThatFileDescriptorsAreShort)
    /// However many there are, until there are enough.
    {
        rlimit limit{};
        getrlimit(RLIMIT_NOFILE, &limit);
        int failures = 0;
        for (std::optional<RunError> error = RunError(); error; ++failures) {
            forgetDetector();
            detector();
            const rlimit few{static_cast<rlim_t>(failures), limit.rlim_max};
            setrlimit(RLIMIT_NOFILE, &few);
            error = tryRun().error;
            setrlimit(RLIMIT_NOFILE, &limit);
            if (error)
                CPPUNIT_ASSERT_MESSAGE(error->cause + ": " + error->advice,
                                       !error->isDatabaseError &&
                                           error->advice.starts_with("slurmctld is short of memory"));
        }
        CPPUNIT_ASSERT(failures > 3);
    }

    TEST(worksAgainAfterTheTablesCame)
    {
        const std::string job = addHungJob();
        database().execute("ALTER TABLE provisioner_jobs RENAME TO away");
        expectError("relation \"provisioner_jobs\" does not exist", "42P01", "check dbname");
        database().execute("ALTER TABLE away RENAME TO provisioner_jobs");
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    TEST(worksAgainAfterItsSessionWasWrong)
    /// Once the cause is mended, as the advice says.
    {
        const std::string wrong = "ALTER ROLE hang_detector IN DATABASE " + databaseName();
        database().execute(wrong + " SET search_path = nowhere");
        expectError("relation \"provisioner_jobs\" does not exist", "42P01", "the search_path of the role");
        database().execute(wrong + " RESET search_path");
        const std::string job = addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);

        // A trigger that changes the session for the statements after its own.
        addHungJob();
        duringTermination("PERFORM set_config('search_path', 'nowhere', false)");
        tryRun();
        expectError("relation \"provisioner_jobs\" does not exist", "42P01", "the search_path of the role");
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, run().jobs.hung);
    }

    TEST(survivesTheEndOfItsSessionBetweenTwoRuns)
    {
        connectDetector();
        CPPUNIT_ASSERT_EQUAL(Text("1"), endSessionOfDetector());
        const std::string job = addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    TEST(survivesTheEndOfItsSessionDuringARun)
    {
        const std::string job = addHungJob();
        endSessionsThatTerminate(database());
        expectError("terminating connection due to administrator command", "57P01",
                    "see the log of the database server");
        CPPUNIT_ASSERT(!isCompleted(job));
        CPPUNIT_ASSERT(database().logs(job).empty());
        endSessionsNoMore(database());
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    TEST(tellsWhatWasTerminatedBeforeTheSessionEnded)
    {
        // The first statement is refused, so that the ten jobs are tried in two halves;
        // the second statement succeeds, the third ends the session. A sequence counts
        // them, as it counts on when a statement is undone.
        addHungJobs(10);
        database().execute("CREATE SEQUENCE statement_number");
        database().execute("GRANT USAGE ON SEQUENCE statement_number TO public");
        database().execute(
            "CREATE FUNCTION end_third() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN CASE nextval(''statement_number'') WHEN 1 THEN RAISE EXCEPTION ''refused'';"
            " WHEN 3 THEN PERFORM pg_terminate_backend(pg_backend_pid()); ELSE END CASE;"
            " RETURN NULL; END'");
        database().execute("CREATE TRIGGER end_third BEFORE UPDATE ON provisioner_jobs FOR EACH STATEMENT"
                           " EXECUTE FUNCTION end_third()");
        const RunStatistics statistics = tryRun();
        CPPUNIT_ASSERT(statistics.error);
        CPPUNIT_ASSERT_EQUAL(std::string("terminating connection due to administrator command"),
                             statistics.error->cause);
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, statistics.terminated.size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, posted().terminated.size());
        for (const JobId& job : statistics.terminated)
            CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(std::int64_t{5}, run().jobs.hung);
    }
};

} // namespace HangDetection::Test
