#include "DatabaseFixture.h"
#include "OpenTransaction.h"

namespace HangDetection::Test {

class BuildStateTest : public DatabaseFixture
/// The provisioner state of a hung workspace build.
{
    CPPUNIT_TEST_SUITE(BuildStateTest);
    CPPUNIT_TEST(copiesTheStateOfThePreviousBuild);
    CPPUNIT_TEST(copiesOverAnEmptyState);
    CPPUNIT_TEST(keepsOwnStateOfABuild);
    CPPUNIT_TEST(leavesTheFirstBuildWithoutState);
    CPPUNIT_TEST(copiesNothingFromABuildWithoutState);
    CPPUNIT_TEST(copiesNothingFromAnotherWorkspace);
    CPPUNIT_TEST(copiesNothingFromTheBuildBeforeThePrevious);
    CPPUNIT_TEST(copiesNothingFromALaterBuild);
    CPPUNIT_TEST(copiesEveryByte);
    CPPUNIT_TEST(copiesALargeState);
    CPPUNIT_TEST(copiesFromABuildThatSomebodyUpdates);
    CPPUNIT_TEST(updatesTheBuildAtTheInstantOfTheFailure);
    CPPUNIT_TEST(updatesTheBuildEvenIfThePreviousHasNoState);
    CPPUNIT_TEST(touchesNoOtherColumnOfTheBuild);
    CPPUNIT_TEST(touchesNoOtherBuild);
    CPPUNIT_TEST(touchesNoBuildOfAnotherTypeOfJob);
    CPPUNIT_TEST_SUITE_END();

    void copiesTheStateOfThePreviousBuild()
    {
        addFinishedBuild(_workspace, 1, "the state of the first build");
        const std::string job = addHungBuild(_workspace, 2);
        expectTerminated(job, BuildState::copied);
        CPPUNIT_ASSERT_EQUAL(Text("the state of the first build"), buildState(job));
    }

    void copiesOverAnEmptyState()
    {
        addFinishedBuild(_workspace, 1, "a state");
        const std::string job = addHungBuild(_workspace, 2, "");
        expectTerminated(job, BuildState::copied);
        CPPUNIT_ASSERT_EQUAL(Text("a state"), buildState(job));
    }

    void keepsOwnStateOfABuild()
    {
        addFinishedBuild(_workspace, 1, "a state");
        const std::string job = addHungBuild(_workspace, 2, "its own");
        const Text before = buildRow(job);
        expectTerminated(job, BuildState::kept);
        CPPUNIT_ASSERT_EQUAL(Text("its own"), buildState(job));
        CPPUNIT_ASSERT_EQUAL(before, buildRow(job));
    }

    void leavesTheFirstBuildWithoutState()
    {
        const std::string job = addHungBuild(_workspace, 1);
        const Text before = buildRow(job);
        expectTerminated(job, BuildState::none);
        CPPUNIT_ASSERT_EQUAL(before, buildRow(job));
    }

    void copiesNothingFromABuildWithoutState()
    {
        addFinishedBuild(_workspace, 1, std::nullopt);
        const std::string job = addHungBuild(_workspace, 2);
        expectTerminated(job, BuildState::none);
        CPPUNIT_ASSERT_EQUAL(Text(), buildState(job));
    }

    void copiesNothingFromAnotherWorkspace()
    {
        addFinishedBuild(Sim::JobDatabase::newId(), 1, "of another workspace");
        const std::string job = addHungBuild(_workspace, 2);
        const Text before = buildRow(job);
        expectTerminated(job, BuildState::none);
        CPPUNIT_ASSERT_EQUAL(before, buildRow(job));
    }

    void copiesNothingFromTheBuildBeforeThePrevious()
    {
        addFinishedBuild(_workspace, 1, "too old");
        const std::string job = addHungBuild(_workspace, 3);
        const Text before = buildRow(job);
        expectTerminated(job, BuildState::none);
        CPPUNIT_ASSERT_EQUAL(before, buildRow(job));
    }

    void copiesNothingFromALaterBuild()
    {
        addFinishedBuild(_workspace, 3, "later");
        const std::string job = addHungBuild(_workspace, 2);
        expectTerminated(job, BuildState::none);
        CPPUNIT_ASSERT_EQUAL(Text(), buildState(job));
    }

    void copiesEveryByte()
    {
        // All bytes there are, with NUL first, in the middle and last.
        const std::string previous = addFinishedBuild(_workspace, 1, "");
        setState(previous, "(SELECT string_agg(set_byte('\\x00', 0, i), '' ORDER BY i) || '\\x0000'::bytea"
                           " FROM generate_series(0, 255) AS i)");
        const std::string job = addHungBuild(_workspace, 2);
        expectTerminated(job, BuildState::copied);
        CPPUNIT_ASSERT_EQUAL(Text("258"), buildColumn(job, "octet_length(provisioner_state)"));
        CPPUNIT_ASSERT_EQUAL(buildColumn(previous, "provisioner_state"),
                             buildColumn(job, "provisioner_state"));
    }

    void copiesALargeState()
    {
        // Hashes, as what can be compressed would be small in the table.
        const std::string previous = addFinishedBuild(_workspace, 1, "");
        setState(previous,
                 "(SELECT string_agg(sha256(i::text::bytea), '') FROM generate_series(1, 131072) AS i)");
        const std::string job = addHungBuild(_workspace, 2);
        expectTerminated(job, BuildState::copied);
        CPPUNIT_ASSERT_EQUAL(Text("4194304"), buildColumn(job, "octet_length(provisioner_state)"));
        CPPUNIT_ASSERT_EQUAL(buildColumn(previous, "sha256(provisioner_state)"),
                             buildColumn(job, "sha256(provisioner_state)"));
    }

    void copiesFromABuildThatSomebodyUpdates()
    {
        const std::string previous = addFinishedBuild(_workspace, 1, "a state");
        const std::string job = addHungBuild(_workspace, 2);
        const OpenTransaction other(connectionString(),
                                    "UPDATE workspace_builds SET daily_cost = 1 WHERE job_id = '" + previous +
                                        "'");
        expectTerminated(job, BuildState::copied);
        CPPUNIT_ASSERT_EQUAL(Text("a state"), buildState(job));
    }

    void updatesTheBuildAtTheInstantOfTheFailure()
    {
        addFinishedBuild(_workspace, 1, "a state");
        const std::string job = addHungBuild(_workspace, 2);
        run();
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(jobColumn(job, "completed_at"), buildColumn(job, "updated_at"));
    }

    void updatesTheBuildEvenIfThePreviousHasNoState()
    {
        // As Coder's own detector does: it copies whatever the previous build has.
        addFinishedBuild(_workspace, 1, std::nullopt);
        const std::string job = addHungBuild(_workspace, 2);
        run();
        CPPUNIT_ASSERT(isCompleted(job));
        CPPUNIT_ASSERT_EQUAL(jobColumn(job, "completed_at"), buildColumn(job, "updated_at"));
    }

    void touchesNoOtherColumnOfTheBuild()
    {
        addFinishedBuild(_workspace, 1, "a state");
        const std::string job = addHungBuild(_workspace, 2);
        const std::string others = "(to_jsonb(workspace_builds) - '{updated_at,provisioner_state}'::text[])";
        const Text before = buildColumn(job, others);
        expectTerminated(job, BuildState::copied);
        CPPUNIT_ASSERT_EQUAL(before, buildColumn(job, others));
    }

    void touchesNoOtherBuild()
    {
        const std::string previous = addFinishedBuild(_workspace, 1, "a state");
        const std::string stateless = addFinishedBuild(_workspace, 3, std::nullopt);
        const std::vector<Text> before = {buildRow(previous), buildRow(stateless)};
        expectTerminated(addHungBuild(_workspace, 2), BuildState::copied);
        CPPUNIT_ASSERT_EQUAL(before, (std::vector{buildRow(previous), buildRow(stateless)}));
    }

    void touchesNoBuildOfAnotherTypeOfJob()
    {
        addFinishedBuild(_workspace, 1, "a state");
        const std::string job = database().addJob({.type = "template_version_dry_run"});
        database().addBuild({.jobId = job, .workspaceId = _workspace, .buildNumber = 2});
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

    void setState(const std::string& job, const std::string& bytes)
    {
        database().execute("UPDATE workspace_builds SET provisioner_state = " + bytes + " WHERE job_id = '" +
                           job + "'");
    }

    const std::string _workspace = Sim::JobDatabase::newId();
};

CPPUNIT_TEST_SUITE_REGISTRATION(BuildStateTest);

} // namespace HangDetection::Test
