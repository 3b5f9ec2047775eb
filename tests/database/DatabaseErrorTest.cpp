#include "DatabaseFixture.h"
#include "HbaRule.h"
#include "Outage.h"
#include "TerminationFaults.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class DatabaseErrorTest : public DatabaseFixture
/// Databases that a run cannot work with, and what the operator is told. That no text
/// holds the password is checked for each run of each test by the fixture.
{
    CPPUNIT_TEST_SUITE(DatabaseErrorTest);
    CPPUNIT_TEST(tellsThatThereIsNoSuchDatabase);
    CPPUNIT_TEST(tellsThatThePasswordIsWrong);
    CPPUNIT_TEST(tellsWhichServerRefused);
    CPPUNIT_TEST(tellsThatAPasswordIsMissing);
    CPPUNIT_TEST(tellsWhatTheServerSaidThatAnswered);
    CPPUNIT_TEST(tellsThatTheDatabaseTakesNoConnections);
    CPPUNIT_TEST(tellsThatThePermissionToConnectIsMissing);
    CPPUNIT_TEST(tellsThatATableIsMissing);
    CPPUNIT_TEST(tellsThatAColumnIsMissing);
    CPPUNIT_TEST(tellsThatAPermissionIsMissing);
    CPPUNIT_TEST(tellsThatThePermissionToWriteIsMissing);
    CPPUNIT_TEST(tellsThatTheServerCannotBeReached);
    CPPUNIT_TEST(tellsThatTheServerIsReadOnly);
    CPPUNIT_TEST(tellsThatTheSessionIsReadOnly);
    CPPUNIT_TEST(worksAgainWhenNewSessionsMayWrite);
    CPPUNIT_TEST(postsTheRunThatFailed);
    CPPUNIT_TEST(retriesSoonAfterAnError);
    CPPUNIT_TEST(survivesARestartBetweenTwoRuns);
    CPPUNIT_TEST(tellsThatTheServerIsDownAndFindsItAgain);
    CPPUNIT_TEST(survivesACrashOfTheServer);
    CPPUNIT_TEST(survivesTheEndOfItsSessionBetweenTwoRuns);
    CPPUNIT_TEST(survivesTheEndOfItsSessionDuringARun);
    CPPUNIT_TEST(tellsWhatWasTerminatedBeforeTheSessionEnded);
    CPPUNIT_TEST(worksAgainAfterTheTablesCame);
    CPPUNIT_TEST(keepsItsSessionFromRunToRun);
    CPPUNIT_TEST_SUITE_END();

    void tellsThatThereIsNoSuchDatabase()
    {
        // The last dbname of a connection string counts.
        settings().connection =
            ConnectionString::parse(connectionString(detectorRole) + " dbname=somebody_elses");
        expectError("database \"somebody_elses\" does not exist", "3D000", "check dbname of Connection");
    }

    void tellsThatThePasswordIsWrong()
    {
        createRole("password_role");
        database().execute("ALTER ROLE password_role PASSWORD 'another one'");
        const HbaRule rule(server(), "local all password_role scram-sha-256");
        settings().connection = ConnectionString::parse(connectionString("password_role"));
        expectError("FATAL:  password authentication failed for user \"password_role\"", "28P01",
                    "check user and password of Connection");
    }

    void tellsWhichServerRefused()
    {
        settings().connection = ConnectionString::parse(connectionString("nobody_at_all"));
        expectError("connection to server on socket \"" + server().directory().string() +
                        "/.s.PGSQL.5432\" failed: FATAL:  role \"nobody_at_all\" does not exist",
                    "28000", "check user and password of Connection");
    }

    void tellsThatAPasswordIsMissing()
    {
        createRole("password_role");
        const HbaRule rule(server(), "local all password_role scram-sha-256");
        settings().connection = ConnectionString::parse("host=" + server().directory().string() +
                                                        " user=password_role dbname=" + databaseName());
        expectError("no password supplied", "", "check user and password of Connection");
    }

    void tellsWhatTheServerSaidThatAnswered()
    {
        // In the midst of two that are down.
        settings().connection =
            ConnectionString::parse(connectionString("nobody_at_all") + " host=/nowhere/first," +
                                    server().directory().string() + ",/nowhere/last");
        const std::string cause = "role \"nobody_at_all\" does not exist; connection to server on socket "
                                  "\"/nowhere/last";
        expectError(cause, "28000", "check user and password of Connection");
    }

    void tellsThatTheDatabaseTakesNoConnections()
    {
        // Not by a session of its own.
        Sim::JobDatabase(server().connectionString("postgres"))
            .execute("ALTER DATABASE " + databaseName() + " ALLOW_CONNECTIONS false");
        expectError("is not currently accepting connections", "55000", "ALLOW_CONNECTIONS");
    }

    void tellsThatThePermissionToConnectIsMissing()
    {
        database().execute("REVOKE CONNECT ON DATABASE " + databaseName() + " FROM public, hang_detector");
        expectError("permission denied for database", "42501", "the privilege to connect");
    }

    void tellsThatATableIsMissing()
    {
        database().execute("DROP TABLE provisioner_jobs CASCADE");
        expectError("relation \"provisioner_jobs\" does not exist", "42P01", "check dbname");
    }

    void tellsThatAColumnIsMissing()
    {
        database().execute("ALTER TABLE provisioner_jobs DROP COLUMN started_at");
        expectError("column \"started_at\" does not exist", "42703", "check dbname");
    }

    void tellsThatAPermissionIsMissing()
    {
        createRole("powerless_role");
        settings().connection = ConnectionString::parse(connectionString("powerless_role"));
        expectError("permission denied for table provisioner_jobs", "42501", "role.sql again");
    }

    void tellsThatThePermissionToWriteIsMissing()
    {
        createRole("reading_role");
        database().execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reading_role");
        settings().connection = ConnectionString::parse(connectionString("reading_role"));
        const std::string job = addHungJob();
        expectError("permission denied for table ", "42501", "role.sql again");
        CPPUNIT_ASSERT(!isCompleted(job));
    }

    void tellsThatTheServerCannotBeReached()
    {
        settings().connection = ConnectionString::parse(
            "host=/nowhere/to/be/found user=postgres password=geheim123 dbname=coder");
        expectError("/nowhere/to/be/found", "", "check Connection in hang_detector.conf");
    }

    void tellsThatTheServerIsReadOnly()
    {
        database().execute("ALTER DATABASE " + databaseName() + " SET default_transaction_read_only = on");
        expectError("read-only", "", "let Connection name the primary");
    }

    void tellsThatTheSessionIsReadOnly()
    {
        const std::string job = addHungJob();
        const Text before = jobRow(job);
        makeSessionsReadOnly();
        expectError("read-only transaction", "25006", "let Connection name the primary");
        CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
        CPPUNIT_ASSERT(database().logs(job).empty());
    }

    void worksAgainWhenNewSessionsMayWrite()
    {
        const std::string job = addHungJob();
        makeSessionsReadOnly();
        tryRun();
        database().execute("ALTER DATABASE " + databaseName() + " RESET default_transaction_read_only");
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void postsTheRunThatFailed()
    {
        database().execute("DROP TABLE provisioner_jobs CASCADE");
        tryRun();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().finished.size());
        CPPUNIT_ASSERT(posted().finished.front().error);
        CPPUNIT_ASSERT_EQUAL(std::string("42P01"), posted().finished.front().error->sqlState);
    }

    void retriesSoonAfterAnError()
    {
        database().execute("ALTER TABLE provisioner_jobs RENAME TO away");
        const auto pause = detector().pauseAfter(tryRun());
        CPPUNIT_ASSERT(pause);
        CPPUNIT_ASSERT(*pause <= 1s);
        database().execute("ALTER TABLE away RENAME TO provisioner_jobs");
        CPPUNIT_ASSERT(!detector().pauseAfter(run()));
    }

    void survivesARestartBetweenTwoRuns()
    {
        connectDetector();
        Outage(server()).end();
        reconnect();
        const std::string job = addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void tellsThatTheServerIsDownAndFindsItAgain()
    {
        connectDetector();
        Outage outage(server());
        expectError("connection to server", "", "check Connection in hang_detector.conf");
        outage.end();
        reconnect();
        const std::string job = addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void survivesACrashOfTheServer()
    {
        connectDetector();
        // The throwaway server commits asynchronously; a crash would take the tables with it.
        database().execute("CHECKPOINT");
        Outage outage(server(), "immediate");
        expectError("connection to server", "", "check Connection in hang_detector.conf");
        expectError("connection to server", "", "check Connection in hang_detector.conf");
        outage.end();
        reconnect();
        const std::string job = addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void survivesTheEndOfItsSessionBetweenTwoRuns()
    {
        connectDetector();
        CPPUNIT_ASSERT_EQUAL(Text("1"), endSessionOfDetector());
        const std::string job = addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void survivesTheEndOfItsSessionDuringARun()
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

    void tellsWhatWasTerminatedBeforeTheSessionEnded()
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

    void worksAgainAfterTheTablesCame()
    {
        const std::string job = addHungJob();
        database().execute("ALTER TABLE provisioner_jobs RENAME TO away");
        tryRun();
        database().execute("ALTER TABLE away RENAME TO provisioner_jobs");
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void keepsItsSessionFromRunToRun()
    {
        run();
        const Text first = backendOfDetector();
        run();
        CPPUNIT_ASSERT(first);
        CPPUNIT_ASSERT_EQUAL(first, backendOfDetector());
    }

    void makeSessionsReadOnly()
    /// The detector takes them all the same.
    {
        database().execute("ALTER DATABASE " + databaseName() + " SET default_transaction_read_only = on");
        settings().connection =
            ConnectionString::parse(connectionString(detectorRole) + " target_session_attrs=any");
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DatabaseErrorTest);

} // namespace HangDetection::Test
