#include "DatabaseFixture.h"
#include "OpenTransaction.h"
#include "Rows.h"

#include <map>

namespace HangDetection::Test {

class BuildStateTest : public DatabaseFixture
/// The provisioner state of a hung workspace build.
{
    CPPUNIT_TEST_SUITE(BuildStateTest);
    CPPUNIT_TEST(copiesOnlyTheStateOfThePreviousBuild);
    CPPUNIT_TEST(copiesEveryByte);
    CPPUNIT_TEST(copiesFromABuildThatSomebodyUpdates);
    CPPUNIT_TEST(touchesNoBuildOfAnotherTypeOfJob);
    CPPUNIT_TEST_SUITE_END();

    struct Row
    /// A hung build, the other builds of its workspace, and what becomes of it.
    {
        const char* name;
        std::map<int, Text> others;
        /// The state of each, by its number.
        int number;
        Text own;
        BuildState answer;
        Text state;
        bool isUpdated;
    };

    void copiesOnlyTheStateOfThePreviousBuild()
    {
        const Text none;
        const std::vector<Row> rows{
            {"the previous", {{1, "a state"}, {3, none}}, 2, none, BuildState::copied, "a state", true},
            {"over an empty one", {{1, "a state"}}, 2, "", BuildState::copied, "a state", true},
            {"not over its own", {{1, "a state"}}, 2, "its own", BuildState::kept, "its own", false},
            {"the first build", {}, 1, none, BuildState::none, none, false},
            {"another workspace's", {}, 2, none, BuildState::none, none, false},
            // As Coder's own detector does: it copies whatever the previous build has.
            {"the previous has none", {{1, none}}, 2, none, BuildState::none, none, true},
            {"the one before the previous", {{1, "too old"}}, 3, none, BuildState::none, none, false},
            {"a later one", {{3, "later"}}, 2, none, BuildState::none, none, false},
        };
        addFinishedBuild(Sim::JobDatabase::newId(), 1, "of another workspace");
        forEachRow<Row>(rows, [this](const Row& row) {
            const std::string workspace = Sim::JobDatabase::newId();
            for (const auto& [number, state] : row.others)
                addFinishedBuild(workspace, number, state);
            const std::string job = addHungBuild(workspace, row.number, row.own);
            const Text builds = otherBuilds(job);
            const Text columns = otherColumns(job);
            const Text updated = buildColumn(job, "updated_at");
            expectTerminated(job, row.answer);
            CPPUNIT_ASSERT_EQUAL(row.state, buildState(job));
            CPPUNIT_ASSERT_EQUAL(row.isUpdated ? jobColumn(job, "completed_at") : updated,
                                 buildColumn(job, "updated_at"));
            CPPUNIT_ASSERT_EQUAL(columns, otherColumns(job));
            CPPUNIT_ASSERT_EQUAL(builds, otherBuilds(job));
        });
    }

    void copiesEveryByte()
    {
        struct State
        {
            const char* name;
            std::string sql;
            std::string size;
        };
        const std::vector<State> states{
            {"all bytes there are, with NUL first, in the middle and last",
             "string_agg(set_byte('\\x00', 0, i), '' ORDER BY i) || '\\x0000'::bytea"
             " FROM generate_series(0, 255) AS i",
             "258"},
            {"a large one, of hashes, as what can be compressed would be small in the table",
             "string_agg(sha256(i::text::bytea), '') FROM generate_series(1, 131072) AS i", "4194304"},
        };
        forEachRow<State>(states, [this](const State& state) {
            const std::string workspace = Sim::JobDatabase::newId();
            const std::string previous = addFinishedBuild(workspace, 1, "");
            database().execute("UPDATE workspace_builds SET provisioner_state = (SELECT " + state.sql +
                               ") WHERE job_id = '" + previous + "'");
            const std::string job = addHungBuild(workspace, 2);
            expectTerminated(job, BuildState::copied);
            CPPUNIT_ASSERT_EQUAL(Text(state.size), buildColumn(job, "octet_length(provisioner_state)"));
            CPPUNIT_ASSERT_EQUAL(buildColumn(previous, "sha256(provisioner_state)"),
                                 buildColumn(job, "sha256(provisioner_state)"));
        });
    }

    void copiesFromABuildThatSomebodyUpdates()
    {
        const std::string workspace = Sim::JobDatabase::newId();
        const std::string previous = addFinishedBuild(workspace, 1, "a state");
        const std::string job = addHungBuild(workspace, 2);
        const OpenTransaction other(connectionString(),
                                    "UPDATE workspace_builds SET daily_cost = 1 WHERE job_id = '" + previous +
                                        "'");
        expectTerminated(job, BuildState::copied);
        CPPUNIT_ASSERT_EQUAL(Text("a state"), buildState(job));
    }

    void touchesNoBuildOfAnotherTypeOfJob()
    {
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        const std::string job = database().addJob({.type = "template_version_dry_run"});
        database().addBuild({.jobId = job, .workspaceId = workspace, .buildNumber = 2});
        const Text before = buildRow(job);
        expectTerminated(job, BuildState::none);
        CPPUNIT_ASSERT_EQUAL(before, buildRow(job));
    }

    void expectTerminated(const std::string& job, BuildState expected)
    {
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(expected, posted().terminated.back().state);
    }

    Text otherColumns(const std::string& job)
    {
        return buildColumn(job, "(to_jsonb(workspace_builds) - '{updated_at,provisioner_state}'::text[])");
    }

    Text otherBuilds(const std::string& job)
    {
        return database().value("SELECT jsonb_agg(to_jsonb(b) ORDER BY b.id)::text FROM workspace_builds b"
                                " WHERE job_id <> $1::uuid",
                                job);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BuildStateTest);

} // namespace HangDetection::Test
