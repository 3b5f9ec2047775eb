#include "DatabaseFixture.h"
#include "RememberedJobs.h"
#include "Rows.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class TerminationTest : public DatabaseFixture
/// Which jobs are hung, what becomes of them, of their logs and of their builds, and what is posted
/// about them. RememberedJobs knows the whole contract, with the notification of followers.
{
    TEST_SUITE(TerminationTest);

    using Ids = std::set<std::string>;

    TEST(terminatesHungJobsByTheContractAndNoOthers)
    {
        struct Row
        {
            const char* name;
            std::chrono::seconds threshold = Settings().hungJobDuration;
            std::string minutes = "5";
            bool isLater = false;
            /// The tables are those of 2026.
            bool isRoleNew = false;
            /// And the role was made for them.
        };
        const std::vector<Row> rows{
            {"the default"},
            {"a longer threshold", 10min, "10"},
            {"half minutes", 90s, "1.5"},
            {.name = "later tables", .isLater = true, .isRoleNew = true},
            {.name = "a role that was made before the migration", .isLater = true},
        };
        forEachRow(rows, [this](const Row& row) {
            startOver();
            settings().hungJobDuration = row.threshold;
            if (row.isLater) {
                migrateTo2026(database());
                database().execute("ALTER TABLE provisioner_jobs ALTER logs_length SET DEFAULT 1048576,"
                                   " ALTER logs_overflowed SET DEFAULT true");
            }
            if (row.isRoleNew)
                applyRoleScript();
            expectTerminations(row.threshold, row.minutes);
            if (row.isLater)
                CPPUNIT_ASSERT_EQUAL(
                    Text("5 failed"),
                    database().value("SELECT count(*) || ' ' || job_status FROM"
                                     " provisioner_jobs WHERE error <> '' GROUP BY job_status"));
        });
    }

    void expectTerminations(std::chrono::seconds threshold, const std::string& minutes)
    /// Of all jobs that are hung, once, and of no others.
    {
        connectDetector();
        const auto ago = [](std::chrono::seconds time) { return std::to_string(time.count()) + " seconds"; };
        const std::string silent = ago(threshold + 1s);
        Ids hung;
        for (const char* const type : {"template_version_import", "template_version_dry_run"}) {
            hung.insert(database().addJob({.type = type, .updatedAgo = silent}));
            hung.insert(database().addJob({.type = type, .updatedAgo = silent, .canceledAgo = "6 minutes"}));
        }
        const std::string workspace = Sim::JobDatabase::newId();
        const std::string build = database().addBuildJob(
            {.updatedAgo = silent}, {.jobId = "", .workspaceId = workspace, .buildNumber = 7});
        hung.insert(build);
        database().execute("UPDATE provisioner_jobs SET error_code = 'REQUIRED_TEMPLATE_VARIABLES'");
        database().addJob({.updatedAgo = "1 hour", .completedAgo = "1 hour"});
        database().addJob({.startedAgo = std::nullopt, .updatedAgo = "1 hour"});
        database().addJob({.updatedAgo = "10 seconds"});
        RememberedJobs jobs(connectionString(),
                            {.threshold = threshold, .minutes = minutes, .changedByWorkers = "{job_status}"});
        jobs.remember();

        const Text before = database().value("SELECT clock_timestamp()::text");
        const std::string nearlyHung = database().addJob({.updatedAgo = ago(threshold - 10s)});
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT(!isCompleted(nearlyHung));
        CPPUNIT_ASSERT_EQUAL(hung.size(), static_cast<std::size_t>(statistics.jobs.hung));
        CPPUNIT_ASSERT_EQUAL(0, statistics.locked + statistics.ineligible + statistics.failed);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, posted().finished.size()); // with that to connect
        CPPUNIT_ASSERT_EQUAL(statistics.terminated, posted().finished.back().terminated);
        expectTerminated(hung, statistics, jobs);
        for (const Termination& answer : posted().terminated) {
            const bool isBuild = answer.jobId == build;
            CPPUNIT_ASSERT_EQUAL(jobColumn(answer.jobId, "type"), Text(answer.type));
            CPPUNIT_ASSERT(answer.silent > threshold && answer.silent < threshold + patience);
            CPPUNIT_ASSERT_EQUAL(isBuild ? workspace : "", answer.workspaceId);
            CPPUNIT_ASSERT_EQUAL(std::int64_t{isBuild ? 7 : 0}, answer.buildNumber);
            CPPUNIT_ASSERT_EQUAL(std::string(), answer.error);
            CPPUNIT_ASSERT(
                database().isTrue("SELECT completed_at BETWEEN '" + before.value() +
                                      "' AND clock_timestamp() FROM provisioner_jobs WHERE id = $1::uuid",
                                  answer.jobId));
        }

        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, run().jobs.hung);
        CPPUNIT_ASSERT(hung == jobs.terminatedCompletely());
        CPPUNIT_ASSERT_EQUAL(hung.size(), posted().terminated.size());
    }

    TEST(writesTheStageOfTheLastLine)
    {
        struct Row
        {
            std::vector<std::string> stages;
            std::string last;
        };
        const std::vector<Row> rows{{{}, "Unknown"},
                                    {{"Applying"}, "Applying"},
                                    {{"Applying", "Planning"}, "Planning"},
                                    // The highest id counts, not the latest time.
                                    {{"Planning", "Applying"}, "Applying"},
                                    {{"Planning", ""}, "Unknown"}};
        std::map<std::string, std::string> expected;
        for (const Row& row : rows) {
            const std::string job = addHungJob();
            for (const std::string& stage : row.stages)
                database().addLog(job, stage, "the worker's line in " + stage);
            expected.emplace(job, row.last);
        }
        database().addLog(database().addJob({.updatedAgo = "1 second"}), "of another job");
        database().execute("UPDATE provisioner_job_logs SET created_at = now() WHERE stage = 'Planning'");
        runByTheContract(rows.size());
        for (const Termination& answer : posted().terminated)
            CPPUNIT_ASSERT_EQUAL(expected.at(answer.jobId), answer.stage);
    }

    TEST(copiesOnlyTheStateOfThePreviousBuild)
    {
        struct Row
        /// A hung build, the other builds of its workspace, and where its state comes from.
        {
            const char* name;
            std::map<int, Text> others;
            /// The state of each, by its number.
            int number;
            Text own;
            BuildState answer;
        };
        const Text none;
        const std::vector<Row> rows{
            {"the previous", {{1, "a state"}, {3, none}}, 2, none, BuildState::copied},
            {"every byte", {{1, "bytes"}}, 2, none, BuildState::copied},
            {"a large one", {{1, "large"}}, 2, none, BuildState::copied},
            {"over an empty one", {{1, "a state"}}, 2, "", BuildState::copied},
            {"not over its own", {{1, "a state"}}, 2, "its own", BuildState::kept},
            {"the first build", {}, 1, none, BuildState::none},
            {"another workspace's", {}, 2, none, BuildState::none},
            // As Coder's own detector does: it copies whatever the previous build has.
            {"the previous has none", {{1, none}}, 2, none, BuildState::none},
            {"the one before the previous", {{1, "too old"}}, 3, none, BuildState::none},
            {"a later one", {{3, "later"}}, 2, none, BuildState::none},
        };
        for (const bool isLater : {false, true}) {
            startOver();
            if (isLater)
                migrateTo2026(database());
            expectStates(rows);
        }
    }

    template <typename Row>
    void expectStates(const std::vector<Row>& rows)
    {
        std::map<std::string, const Row*> rowOf;
        addFinishedBuild(Sim::JobDatabase::newId(), 1, "of another workspace");
        for (const Row& row : rows) {
            const std::string workspace = Sim::JobDatabase::newId();
            for (const auto& [number, state] : row.others)
                addFinishedBuild(workspace, number, state);
            rowOf.emplace(addHungBuild(workspace, row.number, row.own), &row);
        }
        // With NUL first, in the middle and last.
        replaceState("bytes", "string_agg(set_byte('\\x00', 0, i), '' ORDER BY i) || '\\x0000'::bytea"
                              " FROM generate_series(0, 255) AS i");
        // Of hashes, as what can be compressed would be small in the table.
        replaceState("large", "string_agg(sha256(i::text::bytea), '') FROM generate_series(1, 131072) AS i");
        runByTheContract(rows.size());
        for (const Termination& answer : posted().terminated)
            CPPUNIT_ASSERT_EQUAL_MESSAGE(rowOf.at(answer.jobId)->name, rowOf.at(answer.jobId)->answer,
                                         answer.state);
        CPPUNIT_ASSERT_EQUAL(Text("{258,258,4194304,4194304}"),
                             database().value("SELECT array_agg(size ORDER BY size)::text FROM (SELECT"
                                              " octet_length(provisioner_state) AS size"
                                              " FROM workspace_builds) AS sizes WHERE size > 100"));
    }

    void replaceState(const std::string& state, const std::string& by)
    {
        database().execute("UPDATE workspace_builds SET provisioner_state = (SELECT " + by +
                           ") WHERE provisioner_state = '" + state + "'::bytea");
    }

    TEST(touchesNoBuildOfAnotherTypeOfJob)
    {
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        const std::string job = database().addJob({.type = "template_version_dry_run"});
        database().addBuild({.jobId = job, .workspaceId = workspace, .buildNumber = 2});
        const auto build = [&] {
            return database().value(
                "SELECT to_jsonb(b)::text FROM workspace_builds b WHERE job_id = $1::uuid", job);
        };
        const Text before = build();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        CPPUNIT_ASSERT_EQUAL(BuildState::none, posted().terminated.back().state);
        CPPUNIT_ASSERT_EQUAL(before, build());
    }

    void runByTheContract(std::size_t hung)
    {
        RememberedJobs jobs(connectionString(), {.changedByWorkers = "{job_status}"});
        jobs.remember();
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(hung, statistics.terminated.size());
        expectTerminated({statistics.terminated.begin(), statistics.terminated.end()}, statistics, jobs);
    }

    static void expectTerminated(const Ids& expected, const RunStatistics& statistics, RememberedJobs& jobs)
    {
        CPPUNIT_ASSERT_EQUAL(expected.size(), statistics.terminated.size());
        CPPUNIT_ASSERT(expected == Ids(statistics.terminated.begin(), statistics.terminated.end()));
        CPPUNIT_ASSERT(expected == jobs.terminatedCompletely());
    }
};

} // namespace HangDetection::Test
