#include "DatabaseFixture.h"

#include "OpenTransaction.h"

namespace HangDetection::Test {

namespace {

constexpr const char* secret = "geheim123";

constexpr const char* ofDetector =
    " FROM pg_stat_activity WHERE datname = $1 AND application_name = 'hang_detector'";

} // namespace

void DatabaseFixture::setUp()
{
    TestDatabaseFixture::setUp();
    _settings = Settings();
    applyRoleScript();
    _settings.connection = ConnectionString::parse(connectionString(detectorRole));
    _notifications.emplace();
    _posted.emplace(*_notifications);
}

void DatabaseFixture::tearDown()
{
    _running = {};
    _detector.reset();
    _posted.reset();
    _notifications.reset();
    TestDatabaseFixture::tearDown();
}

std::string DatabaseFixture::connectionString(const std::string& role) const
{
    return "host=" + server().directory().string() + " user=" + role + " password=" + secret +
           " dbname=" + databaseName();
}

void DatabaseFixture::createRole(const std::string& role)
{
    // Roles belong to the server; an earlier run of the same test may have left it.
    database().execute("DROP ROLE IF EXISTS " + role);
    database().execute("CREATE ROLE " + role + " LOGIN");
}

std::string DatabaseFixture::runScript(const std::string& name, const std::string& connectionString,
                                       const Sim::CommandLine& options)
{
    Sim::CommandLine command{server().binaries() / "psql",
                             "--no-psqlrc",
                             "--quiet",
                             "--dbname",
                             connectionString,
                             "--file",
                             std::string(SQL_SCRIPTS) + '/' + name};
    command.insert(command.end(), options.begin(), options.end());
    return Sim::mustRun(command);
}

std::string DatabaseFixture::applyRoleScriptTo(const std::string& connectionString, const std::string& role)
{
    return runScript("role.sql", connectionString, {"--set=role=" + role});
}

void DatabaseFixture::migrateTo2026(Sim::JobDatabase& database)
{
    database.execute("CREATE TYPE provisioner_job_status AS ENUM ('pending', 'running', 'succeeded',"
                     " 'canceling', 'canceled', 'failed')");
    database.execute("ALTER TABLE provisioner_jobs"
                     " ADD logs_length integer NOT NULL DEFAULT 0,"
                     " ADD logs_overflowed boolean NOT NULL DEFAULT false,"
                     " ADD job_status provisioner_job_status NOT NULL GENERATED ALWAYS AS (CASE"
                     " WHEN error <> '' THEN 'failed'::provisioner_job_status"
                     " WHEN completed_at IS NOT NULL AND canceled_at IS NOT NULL THEN 'canceled'"
                     " WHEN completed_at IS NOT NULL THEN 'succeeded'"
                     " WHEN canceled_at IS NOT NULL THEN 'canceling'"
                     " WHEN started_at IS NOT NULL THEN 'running'"
                     " ELSE 'pending' END) STORED");
    database.execute("CREATE INDEX ON provisioner_jobs (job_status)");
    database.execute("CREATE VIEW builds_without_state AS SELECT id, created_at, updated_at,"
                     " workspace_id, template_version_id, build_number, transition, initiator_id,"
                     " job_id, deadline, reason, daily_cost, max_deadline FROM workspace_builds");
}

std::vector<std::string> DatabaseFixture::addHungJobs(int count)
{
    std::vector<std::string> ids;
    for (int i = 0; i < count; ++i)
        ids.push_back(addHungJob());
    return ids;
}

std::string DatabaseFixture::addFinishedBuild(const std::string& workspaceId, int buildNumber,
                                              const Text& state)
{
    return database().addBuildJob(
        {.completedAgo = "30 minutes"},
        {.jobId = "", .workspaceId = workspaceId, .buildNumber = buildNumber, .state = state});
}

std::string DatabaseFixture::addHungBuild(const std::string& workspaceId, int buildNumber, const Text& state)
{
    return database().addBuildJob(
        {}, {.jobId = "", .workspaceId = workspaceId, .buildNumber = buildNumber, .state = state});
}

Text DatabaseFixture::jobRow(const std::string& jobId)
{
    return database().value("SELECT to_jsonb(j)::text FROM provisioner_jobs j WHERE id = $1::uuid", jobId);
}

Text DatabaseFixture::jobColumn(const std::string& jobId, const std::string& column)
{
    return database().value("SELECT " + column + "::text FROM provisioner_jobs WHERE id = $1::uuid", jobId);
}

Text DatabaseFixture::buildColumn(const std::string& jobId, const std::string& column)
{
    return database().value("SELECT " + column + "::text FROM workspace_builds WHERE job_id = $1::uuid",
                            jobId);
}

Text DatabaseFixture::buildState(const std::string& jobId)
{
    return buildColumn(jobId, "convert_from(provisioner_state, 'UTF8')");
}

void DatabaseFixture::duringTermination(const std::string& statements)
{
    database().execute("CREATE FUNCTION during_termination() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN " +
                       statements + "; RETURN new; END$$");
    database().execute("CREATE TRIGGER during_termination BEFORE UPDATE ON provisioner_jobs FOR EACH ROW"
                       " EXECUTE FUNCTION during_termination()");
}

HangDetector& DatabaseFixture::detector()
{
    if (!_detector)
        _detector.emplace(_settings, *_notifications, std::move(_slurm), std::chrono::milliseconds(0));
    return *_detector;
}

RunStatistics DatabaseFixture::run()
{
    RunStatistics statistics = tryRun();
    if (statistics.error)
        CPPUNIT_FAIL("the run failed: " + statistics.error->cause + " " + statistics.error->sqlState);
    CPPUNIT_ASSERT(!statistics.stopped);
    return statistics;
}

RunStatistics DatabaseFixture::tryRun(const std::stop_token& stop)
{
    detector().use(detector().settings());
    RunStatistics statistics = detector().run(stop);
    const auto assertNoSecret = [](const std::string& text) {
        CPPUNIT_ASSERT_MESSAGE("a password was told: " + text, text.find(secret) == std::string::npos);
    };
    if (statistics.error) {
        assertNoSecret(statistics.error->cause);
        assertNoSecret(statistics.error->advice);
    }
    for (const Termination& job : posted().failed)
        assertNoSecret(job.error);
    return statistics;
}

void DatabaseFixture::expectError(const std::string& cause, const std::string& sqlState,
                                  const std::string& advice)
{
    const RunStatistics statistics = tryRun();
    CPPUNIT_ASSERT_MESSAGE("the run did not fail", statistics.error);
    const RunError& error = *statistics.error;
    CPPUNIT_ASSERT_MESSAGE(error.cause, error.cause.find(cause) != std::string::npos);
    CPPUNIT_ASSERT_MESSAGE(error.advice, error.advice.find(advice) != std::string::npos);
    CPPUNIT_ASSERT_EQUAL(sqlState, error.sqlState);
    CPPUNIT_ASSERT(error.cause.find('\n') == std::string::npos);
    CPPUNIT_ASSERT(!error.advice.empty());
    CPPUNIT_ASSERT(!statistics.stopped);
    CPPUNIT_ASSERT(statistics.terminated.empty());
}

void DatabaseFixture::startRun()
{
    _running = std::async(std::launch::async, [this] { return tryRun(_stop.get_token()); });
}

RunStatistics DatabaseFixture::endOfRun()
{
    CPPUNIT_ASSERT_MESSAGE("the run did not end", _running.wait_for(patience) == std::future_status::ready);
    return _running.get();
}

void DatabaseFixture::runWithASlowSearch()
{
    OpenTransaction migration(connectionString(), lockOnTheJobs);
    startRun();
    awaitWaitingFor("Lock");
    std::this_thread::sleep_for(std::chrono::milliseconds(60)); // what makes a search a slow one
    migration.commit();
    CPPUNIT_ASSERT(!endOfRun().error);
}

Text DatabaseFixture::backendOfDetector()
{
    return database().value(std::string("SELECT pid::text") + ofDetector, databaseName());
}

Text DatabaseFixture::endSessionOfDetector()
{
    return database().value(std::string("SELECT count(pg_terminate_backend(pid, 10000))::text") + ofDetector,
                            databaseName());
}

void DatabaseFixture::startOver()
{
    const std::string name = databaseName();
    tearDown();
    // It is still there when databases are kept.
    Sim::JobDatabase session(server().connectionString("postgres"));
    session.execute("SET client_min_messages = warning");
    session.execute("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)");
    setUp();
}

} // namespace HangDetection::Test
