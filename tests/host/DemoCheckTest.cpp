#include "DemoCheck.h"

#include "DatabaseFixture.h"
#include "NotificationListener.h"
#include "detection/AllocationMark.h"
#include "detection/Allocations.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace HangDetection::Test {

namespace {

class ListedSlurm : public Allocations
/// A list of Slurm jobs, which outlives it, as the detector is told of it.
{
public:
    explicit ListedSlurm(std::vector<Sim::SimulatedJob>& jobs) : _jobs(jobs) {}

    std::vector<Allocation> marked(const std::stop_token&, Clock::time_point) override
    {
        std::vector<Allocation> allocations;
        for (const Sim::SimulatedJob& job : _jobs) {
            if (const auto mark = markedJob(job.comment))
                allocations.push_back({.slurmJob = std::to_string(job.id),
                                       .markedWith = *mark,
                                       .isPaused = job.state == Sim::SimulatedJob::State::suspended});
        }
        return allocations;
    }

    std::uint64_t marksSeen() const override { return 0; }

    bool release(const Allocation& allocation, const std::string& reason) override
    {
        Sim::SimulatedJob& job = _jobs.at(std::stoul(allocation.slurmJob) - 1);
        job.adminComment = reason;
        job.state = Sim::SimulatedJob::State::cancelled;
        return true;
    }

private:
    std::vector<Sim::SimulatedJob>& _jobs;
};

} // namespace

class DemoCheckTest : public DatabaseFixture
/// The demo's own check, on the demo's jobs, after the detector was at work on them. What
/// the tests change then is what a defect of the detector could leave behind.
{
    CPPUNIT_TEST_SUITE(DemoCheckTest);
    CPPUNIT_TEST(findsEveryEffect);
    CPPUNIT_TEST(toleratesHeartbeats);
    CPPUNIT_TEST(seesAJobThatIsNotFailedAsItShouldBe);
    CPPUNIT_TEST(seesALogThatIsNotAsItShouldBe);
    CPPUNIT_TEST(seesWhatATerminationHasToLeaveAlone);
    CPPUNIT_TEST(seesAWrongStateOfABuild);
    CPPUNIT_TEST(seesAChangedPreviousBuild);
    CPPUNIT_TEST(seesAChangedJobThatWasNotHung);
    CPPUNIT_TEST(seesWrongNotifications);
    CPPUNIT_TEST(seesASlurmJobThatIsNotAsItShouldBe);
    CPPUNIT_TEST(isNotCompleteWithoutAJob);
    CPPUNIT_TEST_SUITE_END();

    using Kind = Sim::DemoJob::Kind;
    using Effects = std::vector<std::string>;

    static constexpr const char* failed = "hung or pending job marked failed, with the reason";
    static constexpr const char* fiveLines = "five lines in its log, under its last stage";
    static constexpr const char* notified = "followers notified once, with the exact payload";
    static constexpr const char* nothingElse = "nothing else of the job changed";
    static constexpr const char* copied = "state copied from the previous build";
    static constexpr const char* own = "build with a state of its own untouched";
    static constexpr const char* firstBuild = "first build, without a state, untouched";
    static constexpr const char* previousBuild = "previous build of the workspace untouched";
    static constexpr const char* canceled = "canceled job still marked as canceled";
    static constexpr const char* healthy = "healthy job running, changed by its heartbeats only";
    static constexpr const char* quiet = "job silent for less than 5 minutes untouched";
    static constexpr const char* inactive = "waiting or completed job untouched";
    static constexpr const char* paused = "job whose Slurm job is suspended untouched";
    static constexpr const char* nobodyNotified = "nobody notified of any other job";
    static constexpr const char* cancelled = "Slurm job of a terminated job cancelled, with the reason";
    static constexpr const char* otherSlurmJob = "any other Slurm job untouched";

public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        _cluster.emplace(database());
        Sim::NotificationListener listener(connectionString());
        for (const Sim::DemoJob& job : _cluster->jobs())
            listener.follow(job.row.id);
        database().execute("UPDATE provisioner_jobs SET updated_at = updated_at - interval '10 seconds'"
                           " WHERE id = '" +
                           idOf("import that hangs during the demo") + "'");
        _slurmJobs = _cluster->slurmJobs();
        settings().releaseAllocations = true;
        useSlurm(std::make_unique<ListedSlurm>(_slurmJobs));
        settings().pendingJobDuration = std::chrono::minutes(30);
        settings().maxJobsPerRun = static_cast<int>(_cluster->jobs().size());
        run();
        const int terminations = _cluster->count(Kind::hung) + _cluster->count(Kind::pending);
        for (int i = 0; i < terminations; ++i) {
            const auto notification = listener.next(patience);
            CPPUNIT_ASSERT(notification.has_value());
            _notifications[notification->jobId].push_back(notification->payload);
        }
    }

    void tearDown() override
    {
        forgetDetector();
        _notifications.clear();
        _cluster.reset();
        DatabaseFixture::tearDown();
    }

private:
    const std::string& idOf(const std::string& description) const
    {
        const auto job =
            std::find_if(_cluster->jobs().begin(), _cluster->jobs().end(),
                         [&](const Sim::DemoJob& candidate) { return candidate.description == description; });
        CPPUNIT_ASSERT_MESSAGE(description, job != _cluster->jobs().end());
        return job->row.id;
    }

    Effects missing(const Sim::NotificationsByJob& notifications)
    {
        Effects descriptions;
        for (const Sim::Effect& effect : checkEffects(*_cluster, database(), notifications, _slurmJobs)) {
            if (!effect.isComplete())
                descriptions.push_back(effect.description);
        }
        return descriptions;
    }

    static void assertSame(const std::string& what, const Effects& expected, const Effects& actual)
    {
        std::string found;
        for (const std::string& effect : actual)
            found += "\n  " + effect;
        CPPUNIT_ASSERT_MESSAGE(what + "; missing are:" + found, actual == expected);
    }

    void assertMissingAfter(const std::string& change, const Effects& expected)
    {
        database().execute("BEGIN");
        database().execute(change);
        const Effects actual = missing(_notifications);
        database().execute("ROLLBACK");
        assertSame(change, expected, actual);
    }

    void assertMissingAfterUpdate(const std::string& job, const std::string& assignments,
                                  const Effects& expected)
    {
        assertMissingAfter("UPDATE provisioner_jobs SET " + assignments + " WHERE id = '" + idOf(job) + "'",
                           expected);
    }

    void assertMissingAfterBuildUpdate(const std::string& job, const std::string& assignments,
                                       const Effects& expected)
    {
        assertMissingAfter(
            "UPDATE workspace_builds SET " + assignments + " WHERE job_id = '" + idOf(job) + "'", expected);
    }

    std::string insertionOfALine(const std::string& job) const
    {
        return "INSERT INTO provisioner_job_logs (job_id, created_at, source, level, stage, output)"
               " VALUES ('" +
               idOf(job) + "', now(), 'provisioner_daemon', 'error', 'Unknown', '')";
    }

    void findsEveryEffect() { assertSame("no change", {}, missing(_notifications)); }

    void toleratesHeartbeats()
    {
        _cluster->sendHeartbeats(database());
        assertSame("heartbeats", {}, missing(_notifications));
    }

    void seesAJobThatIsNotFailedAsItShouldBe()
    {
        const std::string job = "import while parsing";
        assertMissingAfterUpdate(job, "error = NULL", {failed});
        assertMissingAfterUpdate(job, "error = replace(error, '5 minutes', '6 minutes')", {failed});
        assertMissingAfterUpdate(job, "error_code = 'hung'", {failed});
        assertMissingAfterUpdate(job, "updated_at = updated_at + interval '1 microsecond'", {failed});
        assertMissingAfterUpdate("start, waiting since 45 minutes",
                                 "error = replace(error, 'pending', 'hung')", {failed});
        assertMissingAfterUpdate("start, waiting since 45 minutes", "started_at = NULL", {failed});
        assertMissingAfterUpdate(job, "completed_at = NULL", {failed, fiveLines});
        assertMissingAfterUpdate(job, "completed_at = started_at, updated_at = started_at",
                                 {failed, fiveLines});
        assertMissingAfterUpdate(
            job,
            "completed_at = completed_at + interval '1 hour', updated_at = updated_at + interval '1 hour'",
            {failed, fiveLines});
    }

    void seesALogThatIsNotAsItShouldBe()
    {
        const std::string job = "import while parsing";
        const auto change = [&](const std::string& assignment, const std::string& line) {
            assertMissingAfter("UPDATE provisioner_job_logs SET " + assignment +
                                   " WHERE id = (SELECT max(id) FROM provisioner_job_logs WHERE job_id = '" +
                                   idOf(job) + "') - " + line,
                               {fiveLines});
        };
        for (const std::string line : {"0", "1", "2", "3", "4"}) {
            change("output = 'another text'", line);
            change("stage = 'Setting up'", line);
            change("source = 'provisioner'", line);
            change("level = 'info'", line);
            change("created_at = created_at + interval '1 microsecond'", line);
        }
        assertMissingAfter("DELETE FROM provisioner_job_logs WHERE id = (SELECT max(id) FROM"
                           " provisioner_job_logs WHERE job_id = '" +
                               idOf(job) + "')",
                           {fiveLines});
        assertMissingAfter(insertionOfALine(job), {fiveLines});
    }

    void seesWhatATerminationHasToLeaveAlone()
    {
        assertMissingAfterUpdate("import while parsing", "started_at = now()", {nothingElse});
        assertMissingAfterUpdate("import while parsing", "canceled_at = now()", {nothingElse});
        assertMissingAfterUpdate("import while parsing", "worker_id = NULL", {nothingElse});
        assertMissingAfterUpdate("import, canceled", "canceled_at = now()", {nothingElse, canceled});
        assertMissingAfterUpdate("import, canceled", "canceled_at = NULL", {nothingElse, canceled});
        assertMissingAfterBuildUpdate("start without own state", "transition = 'stop'", {nothingElse});
        assertMissingAfter("UPDATE provisioner_job_logs SET output = 'another text'"
                           " WHERE id = (SELECT min(id) FROM provisioner_job_logs WHERE job_id = '" +
                               idOf("import while parsing") + "')",
                           {nothingElse});
    }

    void seesAWrongStateOfABuild()
    {
        for (const std::string job : {"start without own state", "stop with an empty state"}) {
            assertMissingAfterBuildUpdate(job, "provisioner_state = 'another'", {copied});
            assertMissingAfterBuildUpdate(job, "provisioner_state = NULL", {copied});
            assertMissingAfterBuildUpdate(job, "updated_at = created_at", {copied});
        }
        assertMissingAfterBuildUpdate("start with own state", "provisioner_state = 'another'", {own});
        assertMissingAfterBuildUpdate("start with own state", "updated_at = now()", {own});
        assertMissingAfterBuildUpdate("first start of a workspace", "provisioner_state = 'another'",
                                      {firstBuild});
        assertMissingAfterBuildUpdate("first start of a workspace", "updated_at = now()", {firstBuild});
    }

    void seesAChangedPreviousBuild()
    {
        const std::string previous = "(SELECT p.id FROM workspace_builds p JOIN workspace_builds b"
                                     " ON p.workspace_id = b.workspace_id AND p.id <> b.id"
                                     " WHERE b.job_id = '" +
                                     idOf("start without own state") + "')";
        assertMissingAfter("UPDATE workspace_builds SET provisioner_state = NULL WHERE id = " + previous,
                           {previousBuild});
        assertMissingAfter("UPDATE workspace_builds SET updated_at = now() WHERE id = " + previous,
                           {previousBuild});
        assertMissingAfter("DELETE FROM workspace_builds WHERE id = " + previous, {previousBuild});
        assertMissingAfter("UPDATE provisioner_jobs SET updated_at = now() WHERE id ="
                           " (SELECT job_id FROM workspace_builds WHERE id = " +
                               previous + ")",
                           {previousBuild});
    }

    void seesAChangedJobThatWasNotHung()
    {
        for (const auto& [job, effect] :
             {std::pair("start of a workspace", healthy), std::pair("start, silent for 2 minutes", quiet),
              std::pair("start with a suspended Slurm job", paused),
              std::pair("completed an hour ago", inactive)}) {
            assertMissingAfterUpdate(job, "error = 'another'", {effect});
            assertMissingAfterUpdate(job, "started_at = now()", {effect});
            assertMissingAfterUpdate(job, "completed_at = now()", {effect});
            assertMissingAfterBuildUpdate(job, "provisioner_state = NULL, updated_at = now()", {effect});
            assertMissingAfter(insertionOfALine(job), {effect});
        }
        assertMissingAfterUpdate("import, silent for 3 minutes", "updated_at = now()", {quiet});
        assertMissingAfterUpdate("waiting for a worker", "updated_at = now()", {inactive});
        assertMissingAfter("DELETE FROM provisioner_jobs WHERE id = '" + idOf("waiting for a worker") + "'",
                           {inactive});
        assertMissingAfter("UPDATE provisioner_job_logs SET output = 'another text' WHERE job_id = '" +
                               idOf("start of a workspace") + "'",
                           {healthy});
        assertMissingAfter("DELETE FROM provisioner_job_logs WHERE job_id = '" +
                               idOf("start of a workspace") + "'",
                           {healthy});
    }

    void seesWrongNotifications()
    {
        const std::string& job = idOf("import while parsing");

        auto none = _notifications;
        none.erase(job);
        assertSame("none", {notified}, missing(none));

        auto twice = _notifications;
        twice[job].push_back(twice[job].front());
        assertSame("twice", {notified}, missing(twice));

        auto another = _notifications;
        another[job] = {another[idOf("import, canceled")].front()};
        assertSame("another payload", {notified}, missing(another));

        auto ofOthers = _notifications;
        ofOthers[idOf("waiting for a worker")] = ofOthers[job];
        assertSame("of a job that is not hung", {nobodyNotified}, missing(ofOthers));
    }

    void assertMissingAfterSlurm(const std::string& what,
                                 const std::function<void(std::vector<Sim::SimulatedJob>&)>& change,
                                 const Effects& expected)
    {
        const std::vector<Sim::SimulatedJob> before = _slurmJobs;
        change(_slurmJobs);
        const Effects actual = missing(_notifications);
        _slurmJobs = before;
        assertSame(what, expected, actual);
    }

    std::size_t slurmJobOf(const std::string& description) const
    {
        const auto job =
            std::find_if(_slurmJobs.begin(), _slurmJobs.end(), [&](const Sim::SimulatedJob& slurmJob) {
                return markedJob(slurmJob.comment) == idOf(description);
            });
        CPPUNIT_ASSERT(job != _slurmJobs.end());
        return static_cast<std::size_t>(job - _slurmJobs.begin());
    }

    void seesASlurmJobThatIsNotAsItShouldBe()
    {
        const auto cancel = [](Sim::SimulatedJob& job) { job.state = Sim::SimulatedJob::State::cancelled; };
        const auto run = [](Sim::SimulatedJob& job) { job.state = Sim::SimulatedJob::State::running; };
        const auto explain = [](Sim::SimulatedJob& job) { job.adminComment = "another"; };
        const auto rename = [](Sim::SimulatedJob& job) { job.comment = "another"; };
        const auto assertMissing = [this](std::size_t index, const auto& change, const Effects& expected) {
            assertMissingAfterSlurm(
                "Slurm job " + std::to_string(index + 1), [&](auto& jobs) { change(jobs.at(index)); },
                expected);
        };
        const std::size_t terminated = slurmJobOf("start without own state");
        for (const std::size_t index : {terminated, terminated + 1}) {
            assertMissing(index, run, {cancelled});
            assertMissing(index, explain, {cancelled});
            assertMissing(index, rename, {cancelled});
        }
        const std::size_t unmarked = 0;
        for (const std::size_t index :
             {unmarked, slurmJobOf("start since 3 hours"), slurmJobOf("import, silent for 3 minutes"),
              slurmJobOf("start with a suspended Slurm job")}) {
            assertMissing(index, cancel, {otherSlurmJob});
            assertMissing(index, explain, {otherSlurmJob});
            assertMissing(index, rename, {otherSlurmJob});
        }
        assertMissing(slurmJobOf("start with a suspended Slurm job"), run, {otherSlurmJob});
        assertMissingAfterSlurm("none", [](auto& jobs) { jobs.clear(); }, {cancelled, otherSlurmJob});
    }

    void isNotCompleteWithoutAJob()
    {
        CPPUNIT_ASSERT(!(Sim::Effect{.description = "", .expected = 0, .found = 0}.isComplete()));
        CPPUNIT_ASSERT(!(Sim::Effect{.description = "", .expected = 2, .found = 1}.isComplete()));
        CPPUNIT_ASSERT((Sim::Effect{.description = "", .expected = 2, .found = 2}.isComplete()));
    }

    std::vector<Sim::SimulatedJob> _slurmJobs;
    std::optional<Sim::DemoCluster> _cluster;
    Sim::NotificationsByJob _notifications;
};

CPPUNIT_TEST_SUITE_REGISTRATION(DemoCheckTest);

} // namespace HangDetection::Test
