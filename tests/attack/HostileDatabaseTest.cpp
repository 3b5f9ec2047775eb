#include "DatabaseFixture.h"
#include "Figure.h"
#include "RandomMoments.h"
#include "Rounds.h"
#include "TemporaryDirectory.h"
#include "data/Statements.h"

#include <limits>
#include <random>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace HangDetection::Test {

class HostileDatabaseTest : public DatabaseFixture
/// A database in which somebody wants to mislead the detector, or has written what nobody expects.
{
    TEST_SUITE(HostileDatabaseTest);

    TEST(callsNoFunctionOrOperatorOfAnother)
    /// PostgreSQL takes the one whose types fit best, from any schema of the search_path. Here whatever does
    /// not fit exactly finds a better match in public.
    {
        migrateTo2026(database());
        applyRoleScript();
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        addHungBuild(workspace, 2);
        settings().pendingJobDuration = std::chrono::minutes(30);
        database().addJob({.startedAgo = std::nullopt, .updatedAgo = "31 minutes"});
        const std::string worker = database().addDaemon("daemon");
        const std::string running = database().addJob({.updatedAgo = "0", .worker = worker});
        settings().stalledJobDuration = std::chrono::minutes(10);
        const std::string stalled = database().addJob({.updatedAgo = "0"});
        database().addLog(stalled, "Applying", "a line", "11 minutes");
        database().addLog(running, "Applying");
        makeBetterMatches();

        settings().dryRun = true;
        RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(2, statistics.wouldTerminate);
        CPPUNIT_ASSERT_EQUAL(1, statistics.wouldCancel);
        change(&Settings::dryRun, false);
        statistics = run();
        const std::vector<std::string> jobs = statistics.terminated;
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, jobs.size());
        CPPUNIT_ASSERT_EQUAL(1, statistics.canceled);
        // Both searches, and what only some runs ask.
        for (const auto interval : {std::chrono::hours(0), std::chrono::hours(1)}) {
            JobStore store(ConnectionString::parse(connectionString(detectorRole)), patience, interval);
            store.open({});
            store.findJobs({.thresholds = {std::chrono::minutes(5)},
                            .lookAhead = std::chrono::minutes(1),
                            .places = 10});
            CPPUNIT_ASSERT_EQUAL(std::int64_t{0},
                                 store
                                     .findStalled({.thresholds = {.hung = std::chrono::minutes(5),
                                                                  .stalled = std::chrono::minutes(10)},
                                                   .places = 10})
                                     .jobs);
            CPPUNIT_ASSERT(store.findCanceled(std::vector<StalledJob>{{stalled, 0}}).at(0).isOurs);
            CPPUNIT_ASSERT_EQUAL(std::vector{stalled}, store.findRunningCancels());
            store.wantsIndex();
            store.findLockHolder(jobs.front());
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, store.findMarked({running}).size());
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, store.findJobsOf({"daemon"}).size());
            store.findLost({.jobs = {{jobs.front(), "-infinity"}}, .thresholds = {std::chrono::minutes(5)}});
            CPPUNIT_ASSERT_EQUAL(jobs.size(), store.findCompleted(jobs).size());
            CPPUNIT_ASSERT_EQUAL(std::size_t{0}, store.findRevived({{jobs.front(), "-infinity"}}).size());
        }
        database().execute("DROP INDEX provisioner_jobs_job_status_idx");
        JobStore store(ConnectionString::parse(connectionString(detectorRole)), patience);
        store.open({});
        CPPUNIT_ASSERT(!store.wantsIndex());
        // Operators run these as superusers.
        applyRoleScript();
        runScript("index.sql", connectionString());
    }

    void makeBetterMatches()
    /// For each operator, and each function that a statement calls, one for all types and all pairs of types
    /// that may occur. Its result is of no type, so a statement that would call it is refused.
    {
        std::set<std::string> names;
        for (const std::string& text : std::vector<std::string>{textOf(SQL_SCRIPTS "/role.sql"),
                                                                textOf(SQL_SCRIPTS "/index.sql"),
                                                                Statements::cancel_jobs,
                                                                Statements::find_canceled_jobs,
                                                                Statements::find_running_cancels,
                                                                Statements::find_running_cancels_by_status,
                                                                Statements::find_stalled_jobs,
                                                                Statements::find_stalled_jobs_by_status,
                                                                Statements::preview_cancels,
                                                                Statements::find_completed_jobs,
                                                                Statements::find_jobs,
                                                                Statements::find_jobs_by_status,
                                                                Statements::find_lock_holder,
                                                                Statements::find_lost_terminations,
                                                                Statements::find_marked_jobs,
                                                                Statements::find_jobs_of_daemons,
                                                                Statements::find_jobs_of_daemons_by_status,
                                                                Statements::find_names,
                                                                Statements::find_names_and_daemons,
                                                                Statements::find_revived_jobs,
                                                                Statements::prepare_session,
                                                                Statements::preview_terminations,
                                                                Statements::terminate_jobs,
                                                                Statements::wants_index}) {
            static const std::regex call("([a-z_]+)\\(");
            for (std::sregex_iterator found(text.begin(), text.end(), call), end; found != end; ++found)
                names.insert((*found)[1]);
        }
        std::string list;
        for (const std::string& name : names)
            list += (list.empty() ? "" : ",") + name;
        database().execute(R"(
            CREATE FUNCTION make_better_matches(names text[]) RETURNS integer LANGUAGE plpgsql AS $make$
            DECLARE
                types regtype[] := ARRAY(
                    SELECT atttypid::regtype
                    FROM pg_attribute
                    WHERE attnum > 0 AND NOT attisdropped
                      AND attrelid IN ('provisioner_jobs'::regclass, 'provisioner_job_logs'::regclass,
                          'workspace_builds'::regclass, 'provisioner_daemons'::regclass)
                    UNION
                    SELECT unnest('{boolean,name,smallint,integer,bigint,numeric,double precision,text,oid,
                        regclass,regnamespace,aclitem[],xid,xid8,pg_snapshot,pg_node_tree,int2vector,uuid[],
                        bigint[],bytea[],text[],double precision[],timestamptz[],interval,anyelement,anyarray,anynonarray,
                        anyenum}'::regtype[]));
                -- Before there are better matches for what this query calls.
                of_two text[] := ARRAY(
                    SELECT proname
                    FROM pg_proc
                    WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = ANY (names)
                      AND (pronargs = 2 OR provariadic <> 0)
                    UNION
                    SELECT 'better');
                body constant text := ' RETURNS void LANGUAGE sql AS ''SELECT''';
                one regtype;
                other regtype;
                name text;
                made integer := 0;
            BEGIN
                FOREACH one IN ARRAY types LOOP
                    FOREACH name IN ARRAY names LOOP
                        EXECUTE format('CREATE FUNCTION public.%I(%s)', name, one) || body;
                        made := made + 1;
                    END LOOP;
                    FOREACH other IN ARRAY types LOOP
                        FOREACH name IN ARRAY of_two LOOP
                            EXECUTE format('CREATE FUNCTION public.%I(%s, %s)', name, one, other) || body;
                            made := made + 1;
                        END LOOP;
                        FOREACH name IN ARRAY '{=,<>,<,<=,>,>=,+,-,*,/,&,>>,||,~,!~,~~}'::text[] LOOP
                            EXECUTE format('CREATE OPERATOR public.%s (FUNCTION = public.better,'
                                ' LEFTARG = %s, RIGHTARG = %s)', name, one, other);
                            made := made + 1;
                        END LOOP;
                    END LOOP;
                END LOOP;
                RETURN made;
            END $make$)");
        const Text made = database().value("SELECT make_better_matches($1::text[])::text", '{' + list + '}');
        CPPUNIT_ASSERT_MESSAGE(made.value(), std::stoi(made.value()) > 10000);
        figure() << made.value() << " better matches for operators and functions, none called\n";
    }

    TEST(bearsEveryValueThatAColumnCanHold)
    /// Rows at random. The same seed gives the same rows.
    {
        const unsigned long seed = RandomMoments::givenSeed();
        std::mt19937 engine(static_cast<std::mt19937::result_type>(seed));
        settings().maxJobsPerRun = 10000;
        settings().massHangRatio = 0;
        settings().pendingJobDuration = std::chrono::minutes(30);
        settings().stalledJobDuration = std::chrono::minutes(10);
        database().execute("ALTER TABLE template_versions DROP CONSTRAINT template_versions_job_id_key");
        database().execute("CREATE SEQUENCE odd_ids");
        const int rounds = attacks(20);
        int terminated = 0;
        int canceled = 0;
        for (int round = 0; round < rounds; ++round) {
            const std::string where = "seed " + std::to_string(seed) + ", round " + std::to_string(round);
            for (int i = 0; i < 20; ++i)
                addRandomJob(engine);
            const Text due = database().value(
                "SELECT count(*)::text FROM provisioner_jobs WHERE completed_at IS NULL AND updated_at <= "
                "now() -"
                " CASE WHEN started_at IS NULL AND canceled_at IS NULL THEN interval '30 minutes'"
                " ELSE interval '5 minutes' END");
            change(&Settings::dryRun, true);
            const RunStatistics preview = tryRun();
            CPPUNIT_ASSERT_MESSAGE(where + (preview.error ? ": " + preview.error->cause : ""),
                                   !preview.error);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(where, 0, preview.failed);
            change(&Settings::dryRun, false);
            const RunStatistics statistics = tryRun();
            CPPUNIT_ASSERT_MESSAGE(where + (statistics.error ? ": " + statistics.error->cause : ""),
                                   !statistics.error);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(where, 0, statistics.failed);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(where, due.value(), std::to_string(statistics.terminated.size()));
            terminated += static_cast<int>(statistics.terminated.size());
            canceled += statistics.canceled;
        }
        figure() << rounds * 20 << " jobs with random values of every column (seed " << seed << "), "
                 << terminated << " terminated, " << canceled << " canceled, no error\n";
    }

    void addRandomJob(std::mt19937& engine)
    {
        const auto any = [&](const std::vector<std::string>& values) {
            return values.at(std::uniform_int_distribution<std::size_t>(0, values.size() - 1)(engine));
        };
        const std::vector<std::string> times{"'infinity'",
                                             "'-infinity'",
                                             "'294276-12-31 23:59:59.999999'",
                                             "'4714-11-24 00:00:00 BC'",
                                             "'epoch'",
                                             "now()",
                                             "now() - interval '301 seconds'",
                                             "now() - interval '40 minutes'",
                                             "now() + interval '1 hour'"};
        std::vector<std::string> timesOrNull(times);
        timesOrNull.insert(timesOrNull.end(), 12, "NULL");
        const std::vector<std::string> texts{
            "NULL", "''", "repeat('\\', 1000)", "E'\\n\\x01\\u2028'", "'%s {\"'", "repeat(chr(128169), 100)"};
        const std::string job = Sim::JobDatabase::newId();
        const std::string worker = database().addDaemon(any({"", "daemon", std::string(64, '"')}));
        database().execute("UPDATE provisioner_daemons SET last_seen_at = " + any(timesOrNull) +
                           " WHERE id = '" + worker + "'");
        const std::string type =
            any({"workspace_build", "template_version_import", "template_version_dry_run"});
        database().execute(
            "INSERT INTO provisioner_jobs (id, created_at, updated_at, started_at, canceled_at, completed_at,"
            " error, error_code, organization_id, initiator_id, file_id, provisioner, storage_method, type, "
            "input,"
            " worker_id, tags) VALUES ('" +
            job + "', " + any(times) + ", " + any(times) + ", " + any(timesOrNull) + ", " + any(timesOrNull) +
            ", " + any(timesOrNull) + ", " + any(texts) + ", " + any(texts) +
            ", '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff',"
            " gen_random_uuid(), " +
            any({"'echo'", "'terraform'"}) + ", 'file', '" + type + "', " +
            any({"'null'", "'{}'", "'[1e1000]'"}) + ", " +
            any({"NULL", "gen_random_uuid()", "'" + worker + "'"}) + ", 'null')");
        if (type == "workspace_build") {
            const int number = std::stoi(any({"-2147483648", "-2147483647", "0", "1", "2147483647"}));
            const std::string workspace = Sim::JobDatabase::newId();
            addRandomBuild(any, times, job, workspace, number);
            if (number > std::numeric_limits<int>::min())
                addRandomBuild(any, times,
                               database().addJob({.type = "workspace_build", .completedAgo = "1 hour"}),
                               workspace, number - 1);
        }
        for (int versions = any({"0", "1", "2"}).front() - '0'; versions > 0; --versions)
            database().execute("INSERT INTO template_versions (id, job_id) VALUES (gen_random_uuid(), '" +
                               job + "')");
        if (any({"yes", "no"}) == "yes")
            database().execute("INSERT INTO provisioner_job_logs (id, job_id, created_at, source, level, "
                               "stage, output) VALUES (" +
                               any({"DEFAULT", "DEFAULT", "-9223372036854775808 + nextval('odd_ids')",
                                    "9223372036854775807 - nextval('odd_ids')"}) +
                               ", '" + job + "', " + any(times) + ", 'provisioner', 'trace', " +
                               any({"''", "repeat(chr(128169), 128)", "E'\\x01\\n'"}) +
                               ", repeat(chr(128169), 1024))");
    }

    template <typename Any>
    void addRandomBuild(const Any& any, const std::vector<std::string>& times, const std::string& job,
                        const std::string& workspace, int number)
    {
        database().execute(
            "INSERT INTO workspace_builds (id, created_at, updated_at, workspace_id, template_version_id,"
            " build_number, transition, initiator_id, provisioner_state, job_id) VALUES "
            "(gen_random_uuid(), " +
            any(times) + ", " + any(times) + ", '" + workspace + "', gen_random_uuid(), " +
            std::to_string(number) + ", 'start', gen_random_uuid(), " + any({"NULL", "''", "'\\x00ff'"}) +
            ", '" + job + "')");
    }
};

} // namespace HangDetection::Test
