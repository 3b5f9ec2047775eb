#include "DemoCheck.h"

#include "DatabaseFixture.h"
#include "ScriptedSlurm.h"
#include "slurm/JobMark.h"

namespace HangDetection::Test {

class DemoCheckTest : public DatabaseFixture
/// The contract of a termination, as demo and tests check it, on the demo's jobs after the detector was
/// at work on them. What the tests change then is what a defect of the detector could leave behind.
{
    TEST_SUITE(DemoCheckTest);

    using Kind = Sim::DemoJob::Kind;
    using State = Sim::SimulatedJob::State;
    using Effects = std::vector<std::string>;

    struct Change
    /// A statement, and the effects that are missing after it.
    {
        std::string sql;
        Effects missing;
    };

    static constexpr const char* failed = "hung, pending or ended job marked failed, with the reason";
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
    static constexpr const char* stalled = "stalled job canceled, and then ended by its worker";
    static constexpr const char* nobodyNotified = "nobody notified of any other job";
    static constexpr const char* cancelled = "Slurm job of a terminated job cancelled, with the reason";
    static constexpr const char* otherSlurmJob = "any other Slurm job untouched";

    static constexpr const char* import = "import while parsing";
    static constexpr const char* pending = "start, waiting since 45 minutes";
    static constexpr const char* motionless = "start, without a line since 2 hours";

public:
    void tearDown() override
    {
        forgetDetector();
        DatabaseFixture::tearDown();
    }

private:
    void letTheDetectorWork()
    {
        _cluster.emplace(database());
        Sim::NotificationListener listener(connectionString());
        for (const Sim::DemoJob& job : _cluster->jobs())
            listener.follow(job.row.id);
        for (const std::string table : {"provisioner_jobs", "remembered.provisioner_jobs"})
            database().execute("UPDATE " + table + " SET updated_at = updated_at - interval '10 seconds'" +
                               where("id", "import that hangs during the demo"));
        _slurmJobs = _cluster->slurmJobs();
        settings().releaseAllocations = true;
        for (const Sim::SimulatedJob& job : _slurmJobs) {
            if (const auto mark = markOf(job.comment))
                _slurm.marked.push_back({.name = std::to_string(job.id),
                                         .mark = *mark,
                                         .isSuspended = job.state == State::suspended,
                                         .startedAgo = std::chrono::hours(1),
                                         .endedAgo = endedAgo(job),
                                         .state = "NODE_FAIL"});
        }
        useSlurm(std::make_unique<ScriptedSlurm>(_slurm));
        settings().pendingJobDuration = std::chrono::minutes(30);
        settings().maxJobsPerRun = static_cast<int>(_cluster->jobs().size());
        settings().endedJobDuration = std::chrono::seconds(1);
        settings().trustedUsers = {{"root", 0}};
        settings().stalledJobDuration = std::chrono::hours(2);
        detector().run({});
        std::this_thread::sleep_for(settings().endedJobDuration);
        detector().run({});
        database().stopIfCanceled(idOf(motionless));
        for (Sim::SimulatedJob& job : _slurmJobs) {
            const auto isOfJob = [&](const SchedulerJob& left) {
                return left.name == std::to_string(job.id);
            };
            if (markOf(job.comment) && std::ranges::none_of(_slurm.marked, isOfJob)) {
                job.state = State::cancelled;
                job.adminComment = _slurm.reasons.at(0);
            }
        }
        for (int i = 0; i < _cluster->terminations() + _cluster->count(Kind::stalled); ++i) {
            const auto notification = listener.next(patience);
            CPPUNIT_ASSERT(notification.has_value());
            _notifications[notification->jobId].push_back(notification->payload);
        }
    }

    static std::optional<std::chrono::seconds> endedAgo(const Sim::SimulatedJob& job)
    {
        return job.state == State::failed ? std::optional(std::chrono::seconds(20)) : std::nullopt;
    }

    const std::string& idOf(const std::string& description) const
    {
        const auto job = std::ranges::find(_cluster->jobs(), description, &Sim::DemoJob::description);
        CPPUNIT_ASSERT_MESSAGE(description, job != _cluster->jobs().end());
        return job->row.id;
    }

    std::string where(const std::string& column, const std::string& description) const
    {
        return " WHERE " + column + " = '" + idOf(description) + "'";
    }

    std::string changed(const std::string& description, const std::string& assignments) const
    {
        return "UPDATE provisioner_jobs SET " + assignments + where("id", description);
    }

    std::string changedBuild(const std::string& description, const std::string& assignments) const
    {
        return "UPDATE workspace_builds SET " + assignments + where("job_id", description);
    }

    std::string addedLine(const std::string& description) const
    {
        return "INSERT INTO provisioner_job_logs (job_id, created_at, source, level, stage, output)"
               " VALUES ('" +
               idOf(description) + "', now(), 'provisioner_daemon', 'error', 'Unknown', '')";
    }

    void assertMissing(const std::string& what, const Effects& expected,
                       const Sim::NotificationsByJob& notifications)
    {
        Effects missing;
        for (const Sim::Effect& effect : checkEffects(*_cluster, database(), notifications, _slurmJobs)) {
            if (!effect.isComplete())
                missing.push_back(effect.description);
        }
        CPPUNIT_ASSERT_EQUAL_MESSAGE(what, expected, missing);
    }

    void assertSeen(const std::vector<Change>& changes)
    {
        for (const Change& change : changes) {
            database().execute("BEGIN");
            database().execute(change.sql);
            assertMissing(change.sql, change.missing, _notifications);
            database().execute("ROLLBACK");
        }
    }

    TEST(findsEveryEffect)
    {
        letTheDetectorWork();
        assertMissing("no change", {}, _notifications);
        _cluster->sendHeartbeats(database());
        assertMissing("heartbeats", {}, _notifications);
    }

    TEST(seesAWrongTermination)
    {
        letTheDetectorWork();
        const auto moved = [](const std::string& by) {
            return "completed_at = completed_at" + by + ", updated_at = updated_at" + by;
        };
        assertSeen({
            {changed(import, "error = replace(error, '5 minutes', '6 minutes')"), {failed}},
            {changed(import, "error_code = 'hung'"), {failed}},
            {changed(import, "updated_at = updated_at + interval '1 microsecond'"), {failed}},
            {changed(pending, "error = replace(error, 'pending', 'hung')"), {failed}},
            {changed(pending, "started_at = NULL"), {failed}},
            {changed(import, "completed_at = NULL"), {failed, fiveLines}},
            {changed(import, "completed_at = started_at, updated_at = started_at"), {failed, fiveLines}},
            {changed(import, moved(" + interval '1 hour'")), {failed, fiveLines}},
            // After the threshold, and before the detector was at work.
            {changed("import without a log", moved(" - interval '5 minutes'")), {failed, fiveLines}},
            {changed(import, "started_at = now()"), {nothingElse}},
            {changed("import, canceled", "canceled_at = NULL"), {nothingElse, canceled}},
            {changedBuild("start without own state", "transition = 'stop'"), {nothingElse}},
            {"UPDATE provisioner_job_logs SET output = 'another text' WHERE id = (SELECT min(id) FROM"
             " provisioner_job_logs" +
                 where("job_id", import) + ")",
             {nothingElse}},
            {addedLine(import), {fiveLines}},
        });
        for (const std::string assignment :
             {"output = 'another text'", "stage = 'Setting up'", "source = 'provisioner'", "level = 'info'",
              "created_at = created_at + interval '1 microsecond'"})
            assertSeen(
                {{"UPDATE provisioner_job_logs SET " + assignment +
                      " WHERE id = (SELECT max(id) FROM provisioner_job_logs" + where("job_id", import) + ")",
                  {fiveLines}}});
    }

    TEST(seesAWrongState)
    {
        letTheDetectorWork();
        for (const std::string job : {"start without own state", "stop with an empty state"})
            assertSeen({{changedBuild(job, "provisioner_state = NULL"), {copied}},
                        {changedBuild(job, "updated_at = created_at"), {copied}}});
        const std::string previous =
            " WHERE id = (SELECT p.id FROM workspace_builds p JOIN workspace_builds b"
            " ON p.workspace_id = b.workspace_id AND p.id <> b.id" +
            where("b.job_id", "start without own state") + ")";
        assertSeen({
            {changedBuild("start with own state", "provisioner_state = 'another'"), {own}},
            {changedBuild("start with own state", "updated_at = now()"), {own}},
            {changedBuild("first start of a workspace", "provisioner_state = 'another'"), {firstBuild}},
            {changedBuild("first start of a workspace", "updated_at = now()"), {firstBuild}},
            {"UPDATE workspace_builds SET provisioner_state = NULL" + previous, {previousBuild}},
            {"UPDATE workspace_builds SET updated_at = now()" + previous, {previousBuild}},
            {"DELETE FROM workspace_builds" + previous, {previousBuild}},
            {"UPDATE provisioner_jobs SET updated_at = now() WHERE id = (SELECT job_id FROM "
             "workspace_builds" +
                 previous + ")",
             {previousBuild}},
        });
    }

    TEST(seesAChangedJobThatWasNotHung)
    {
        letTheDetectorWork();
        for (const auto& [job, effect] :
             {std::pair("start of a workspace", healthy), std::pair("start, silent for 2 minutes", quiet),
              std::pair("start with a suspended Slurm job", paused),
              std::pair("completed an hour ago", inactive)})
            assertSeen({{changed(job, "error = 'another'"), {effect}},
                        {changedBuild(job, "provisioner_state = NULL, updated_at = now()"), {effect}},
                        {addedLine(job), {effect}}});
        assertSeen({
            {changed("import, silent for 3 minutes", "updated_at = now()"), {quiet}},
            {"DELETE FROM provisioner_jobs" + where("id", "waiting for a worker"), {inactive}},
            {"DELETE FROM provisioner_job_logs" + where("job_id", "start of a workspace"), {healthy}},
        });
    }

    TEST(seesAWrongCancel)
    {
        letTheDetectorWork();
        assertSeen({
            {changed(motionless, "canceled_at = NULL"), {stalled}},
            {changed(motionless, "completed_at = NULL"), {stalled}},
            {changedBuild(motionless, "provisioner_state = 'another'"), {stalled}},
            {addedLine(motionless), {stalled}},
            {"UPDATE provisioner_job_logs SET output = replace(output, '120', '5')" +
                 where("job_id", motionless),
             {stalled}},
        });
        auto notifications = _notifications;
        notifications[idOf(motionless)] = _notifications[idOf(import)];
        assertMissing("as of a termination", {stalled}, notifications);
    }

    TEST(seesWrongNotifications)
    {
        letTheDetectorWork();
        const std::string& job = idOf(import);
        auto notifications = _notifications;
        notifications.erase(job);
        assertMissing("none", {notified}, notifications);
        notifications[job] = {_notifications[job].front(), _notifications[job].front()};
        assertMissing("twice", {notified}, notifications);
        notifications[job] = _notifications[idOf("import, canceled")];
        assertMissing("another payload", {notified}, notifications);
        notifications = _notifications;
        notifications[idOf("waiting for a worker")] = _notifications[job];
        assertMissing("of a job that is not hung", {nobodyNotified}, notifications);
    }

    std::size_t slurmJobOf(const std::string& description) const
    {
        const auto job = std::ranges::find_if(_slurmJobs, [&](const Sim::SimulatedJob& slurmJob) {
            return markOf(slurmJob.comment) == Mark{.text = idOf(description)};
        });
        CPPUNIT_ASSERT(job != _slurmJobs.end());
        return static_cast<std::size_t>(job - _slurmJobs.begin());
    }

    TEST(seesASlurmJobThatIsNotAsItShouldBe)
    {
        letTheDetectorWork();
        const std::vector<Sim::SimulatedJob> right = _slurmJobs;
        const auto expectMissing = [&](std::size_t index, void (*spoil)(Sim::SimulatedJob&),
                                       const Effects& effects) {
            _slurmJobs = right;
            spoil(_slurmJobs.at(index));
            assertMissing("Slurm job " + std::to_string(index + 1), effects, _notifications);
        };
        constexpr auto cancel = +[](Sim::SimulatedJob& job) { job.state = State::cancelled; };
        constexpr auto run = +[](Sim::SimulatedJob& job) { job.state = State::running; };
        constexpr auto explain = +[](Sim::SimulatedJob& job) { job.adminComment = "another"; };
        constexpr auto rename = +[](Sim::SimulatedJob& job) { job.comment = "another"; };
        const std::size_t terminated = slurmJobOf("start without own state");
        const std::size_t unmarked = 0;
        const std::size_t suspended = slurmJobOf("start with a suspended Slurm job");
        for (const std::size_t index : {terminated, terminated + 1}) {
            for (const auto change : {run, explain, rename})
                expectMissing(index, change, {cancelled});
        }
        for (const std::size_t index : {unmarked, suspended, slurmJobOf("start since 3 hours"),
                                        slurmJobOf("import, silent for 3 minutes")}) {
            for (const auto change : {cancel, explain, rename})
                expectMissing(index, change, {otherSlurmJob});
        }
        expectMissing(suspended, run, {otherSlurmJob});
        _slurmJobs.clear();
        assertMissing("none", {cancelled, otherSlurmJob}, _notifications);
    }

    TEST(isNotCompleteWithoutAJob)
    {
        CPPUNIT_ASSERT(!(Sim::Effect{.description = "", .expected = 0, .found = 0}.isComplete()));
        CPPUNIT_ASSERT(!(Sim::Effect{.description = "", .expected = 2, .found = 1}.isComplete()));
        CPPUNIT_ASSERT((Sim::Effect{.description = "", .expected = 2, .found = 2}.isComplete()));
    }

    SlurmScript _slurm;
    std::vector<Sim::SimulatedJob> _slurmJobs;
    std::optional<Sim::DemoCluster> _cluster;
    Sim::NotificationsByJob _notifications;
};

} // namespace HangDetection::Test
