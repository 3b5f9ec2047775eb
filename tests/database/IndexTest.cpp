#include "DatabaseFixture.h"
#include "Figure.h"
#include "LibpqSession.h"
#include "OpenTransaction.h"
#include "Rounds.h"
#include "data/Statements.h"

#include <regex>

namespace HangDetection::Test {

using namespace std::chrono_literals;

namespace {

constexpr const char* indexName = "hang_detector_running_jobs";

} // namespace

class IndexTest : public DatabaseFixture
/// The optional index of packaging/sql/index.sql, and the one of Coder's own that makes it needless.
{
    TEST_SUITE(IndexTest);

    TEST(makesTheSearchCostAsMuchAsThereAreRunningJobs)
    {
        migrateTo2026(database());
        applyRoleScript();
        const int finished = rounds(1'000'000);
        database().addJobs(finished, {.completedAgo = "1 hour"});
        database().addJobs(50, {.updatedAgo = "1 second"});
        database().addJobs(5, {.startedAgo = std::nullopt, .updatedAgo = "1 second"});
        addHungJobs(5);
        database().execute("VACUUM ANALYZE provisioner_jobs");
        const std::string without = planOfTheSearch(Statements::find_jobs);
        CPPUNIT_ASSERT_MESSAGE(without, without.find("Seq Scan on provisioner_jobs") != std::string::npos);
        const auto expectCheap = [&](const char* search, const char* index) {
            for (const char* const pendingJobDuration : {"0", "1800"}) {
                const std::string plan = planOfTheSearch(search, pendingJobDuration);
                CPPUNIT_ASSERT_MESSAGE(plan, plan.find(index) != std::string::npos);
                CPPUNIT_ASSERT_MESSAGE(plan, plan.find("Seq Scan on provisioner_jobs") == std::string::npos);
                figure() << "a search beside " << finished << " finished jobs reads " << pagesIn(without)
                         << " pages of the server's memory without an index, " << pagesIn(plan) << " with "
                         << index << ", at a PendingJobDuration of " << pendingJobDuration << "\n";
                // Of 60 jobs, and of the indexes.
                CPPUNIT_ASSERT_MESSAGE(plan, pagesIn(plan) < 100);
            }
        };
        expectCheap(Statements::find_jobs_by_status, "provisioner_jobs_job_status_idx");
        makeIndex();
        expectCheap(Statements::find_jobs, indexName);
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, run().terminated.size());
    }

    TEST(leavesHeartbeatsHot)
    {
        migrateTo2026(database());
        const std::vector<std::string> jobs = addHungJobs(20);
        const double without = hotHeartbeats(jobs);
        makeIndex();
        const double with = hotHeartbeats(jobs);
        // That it is seen when an index makes them otherwise.
        database().execute("CREATE INDEX costly ON provisioner_jobs (updated_at)");
        const double costly = hotHeartbeats(jobs);
        figure() << "heartbeats that are HOT: " << without << " without the index, " << with << " with it\n";
        CPPUNIT_ASSERT(without > 0.9);
        CPPUNIT_ASSERT(with > 0.9);
        CPPUNIT_ASSERT(costly < 0.1);
    }

    TEST(isMadeAsOftenAsOneLikes)
    {
        makeIndex();
        const Text first = indexColumn("indexrelid::text");
        makeIndex();
        CPPUNIT_ASSERT(first);
        CPPUNIT_ASSERT_EQUAL(first, indexColumn("indexrelid::text"));
    }

    TEST(isMadeAgainWhenItsMakingWasInterrupted)
    {
        addHungJob();
        {
            // It waits for the end of whoever writes.
            const OpenTransaction worker(connectionString(),
                                         "UPDATE provisioner_jobs SET updated_at = now()");
            setStatementTimeout("= 3000");
            CPPUNIT_ASSERT_THROW(makeIndex(), std::runtime_error);
        }
        setStatementTimeout("TO DEFAULT");
        CPPUNIT_ASSERT_EQUAL(Text("false"), indexColumn("indisvalid::text"));
        makeIndex();
        CPPUNIT_ASSERT_EQUAL(Text("true"), indexColumn("indisvalid::text"));
    }

    TEST(isAskedForOnceWhenASearchTakesLong)
    {
        fillTable();
        runWithASlowSearch();
        runWithASlowSearch();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().indexMissing.size());
        CPPUNIT_ASSERT(posted().indexMissing.front() >= 50ms);
    }

    TEST(isNotAskedForWhenItIsThere)
    {
        fillTable();
        makeIndex();
        runWithASlowSearch();
        CPPUNIT_ASSERT(posted().indexMissing.empty());
    }

    TEST(isNotAskedForWhereCodersOwnServes)
    {
        migrateTo2026(database());
        fillTable();
        const auto isAskedFor = [this] {
            forgetDetector();
            const std::size_t before = posted().indexMissing.size();
            runWithASlowSearch();
            return posted().indexMissing.size() > before;
        };
        CPPUNIT_ASSERT_MESSAGE("with a role that was made before the column", isAskedFor());
        applyRoleScript();
        CPPUNIT_ASSERT(!isAskedFor());
        database().execute("DROP INDEX provisioner_jobs_job_status_idx");
        CPPUNIT_ASSERT_MESSAGE("with a column without an index", isAskedFor());
    }

    TEST(isNotAskedForWhenTheTableIsSmall)
    {
        addHungJob();
        runWithASlowSearch();
        CPPUNIT_ASSERT(posted().indexMissing.empty());
    }

    TEST(findsAJobWhoseStatusIsWrongByAFullSearch)
    {
        migrateTo2026(database());
        applyRoleScript();
        addHungJob();
        database().execute(
            "UPDATE provisioner_jobs SET error = 'of a termination whose completion a cancel took back'");
        for (const auto& [interval, found] : {std::pair(1h, 0), {0h, 1}}) {
            JobStore store(ConnectionString::parse(connectionString(detectorRole)), patience, interval);
            store.open({});
            CPPUNIT_ASSERT_EQUAL(
                std::int64_t{found},
                store.findJobs({.thresholds = {5min}, .lookAhead = 1min, .places = 10}).counts.running);
        }
    }

    TEST(doesWithoutTheStatusWhenItsRightGoes)
    {
        migrateTo2026(database());
        applyRoleScript();
        connectDetector();
        database().execute("REVOKE SELECT (job_status) ON provisioner_jobs FROM hang_detector");
        const std::string job = addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
    }

    void makeIndex() { runScript("index.sql", connectionString()); }

    void setStatementTimeout(const std::string& value)
    {
        database().execute("ALTER DATABASE " + databaseName() + " SET statement_timeout " + value);
    }

    std::string planOfTheSearch(const std::string& search, const std::string& pendingJobDuration = "0")
    {
        LibpqSession session(connectionString(detectorRole));
        session.execute("SET jit = off; SET plan_cache_mode = force_generic_plan;"
                        " SET join_collapse_limit = 1; PREPARE search AS " +
                        search);
        const Answer lines =
            session.execute("EXPLAIN (ANALYZE, BUFFERS) EXECUTE search (300, 60, 10, '{}', " +
                            pendingJobDuration + ", '{}', '{}', '1:1:', 0)");
        std::string plan;
        for (int row = 0; row < lines.rows(); ++row)
            plan += lines.value(row, R"("QUERY PLAN")") + '\n';
        return plan;
    }

    static int pagesIn(const std::string& plan)
    {
        int pages = 0;
        std::smatch found;
        CPPUNIT_ASSERT_MESSAGE(plan, std::regex_search(plan, found, std::regex("Buffers: shared([^\n]*)")));
        const std::string buffers = found[1];
        const std::regex number("(hit|read)=([0-9]+)");
        for (std::sregex_iterator it(buffers.begin(), buffers.end(), number), end; it != end; ++it)
            pages += std::stoi((*it)[2]);
        return pages;
    }

    double hotHeartbeats(const std::vector<std::string>& jobs)
    /// The share of them.
    {
        constexpr int each = 50;
        const int before = updates("n_tup_upd");
        const int hotBefore = updates("n_tup_hot_upd");
        {
            // A session tells its figures at its end.
            Sim::JobDatabase worker(connectionString());
            for (int i = 0; i < each; ++i) {
                for (const std::string& job : jobs)
                    worker.heartbeat(job);
            }
        }
        const int all = each * static_cast<int>(jobs.size());
        CPPUNIT_ASSERT(eventually(patience, [&] { return updates("n_tup_upd") == before + all; }));
        return static_cast<double>(updates("n_tup_hot_upd") - hotBefore) / all;
    }

    int updates(const std::string& column)
    {
        return std::stoi(database()
                             .value("SELECT " + column + "::text FROM pg_stat_user_tables WHERE relname = $1",
                                    "provisioner_jobs")
                             .value());
    }

    void fillTable()
    {
        database().addJobs(50000, {.completedAgo = "1 hour"});
        database().execute("VACUUM ANALYZE provisioner_jobs");
    }

    Text indexColumn(const std::string& column)
    {
        return database().value("SELECT " + column + " FROM pg_index WHERE indexrelid = to_regclass($1)",
                                indexName);
    }
};

} // namespace HangDetection::Test
