#include "ContractTexts.h"
#include "DatabaseFixture.h"
#include "LibpqSession.h"
#include "OpenTransaction.h"
#include "Rows.h"
#include "ScriptedSlurm.h"
#include "StallingProxy.h"
#include "data/AdvisoryLock.h"
#include "data/Statements.h"
#include "detection/Run.h"

#include <atomic>
#include <thread>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class StalledJobsTest : public DatabaseFixture
/// Jobs that report but do not move, when StalledJobDuration is set.
{
    TEST_SUITE(StalledJobsTest);

public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        settings().stalledJobDuration = 10min;
    }

private:
    static constexpr const char* stage = "Applying";

    std::string addReporting(const std::string& startedAgo = "20 minutes")
    {
        return database().addJob({.startedAgo = startedAgo, .updatedAgo = "1 second"});
    }

    std::string addMoved(const std::string& ago, const std::string& startedAgo = "20 minutes")
    /// A job that reports, and has written its first line at once and its last one so long ago.
    {
        std::string job = addReporting(startedAgo);
        database().addLog(job, "Setting up", "first", startedAgo);
        database().addLog(job, stage, "last", ago);
        return job;
    }

    std::string addStalled() { return addMoved("11 minutes"); }

    std::vector<std::string> addStalledJobs(int count)
    {
        std::vector<std::string> jobs;
        for (int i = 0; i < count; ++i)
            jobs.push_back(addStalled());
        return jobs;
    }

    void age(const std::string& job, const std::string& interval)
    /// All that has happened to the job was so much earlier. It still reports.
    {
        database().execute("UPDATE provisioner_jobs SET started_at = started_at - interval '" + interval +
                           "', canceled_at = canceled_at - interval '" + interval +
                           "', updated_at = now() WHERE id = '" + job + "'");
        database().execute("UPDATE provisioner_job_logs SET created_at = created_at - interval '" + interval +
                           "' WHERE job_id = '" + job + "'");
    }

    bool isCanceled(const std::string& job) { return jobColumn(job, "canceled_at").has_value(); }

    std::set<std::string> canceled() const
    {
        std::set<std::string> jobs;
        for (const Termination& job : posted().canceled)
            jobs.insert(job.jobId);
        return jobs;
    }

    StalledJob asSeen(const std::string& job)
    {
        return {job,
                std::stoll(database()
                               .value("SELECT coalesce(max(id), 0)::text FROM provisioner_job_logs WHERE "
                                      "job_id = $1::uuid",
                                      job)
                               .value())};
    }

    void setBack(const std::string& job, const std::string& column, const std::string& interval)
    {
        database().execute("UPDATE provisioner_jobs SET " + column + " = now() - interval '" + interval +
                           "' WHERE id = '" + job + "'");
    }

    TEST(cancelsWhatDoesNotMoveAndNothingElse)
    /// In the tables of 2023 and of 2026.
    {
        for (const bool isLater : {false, true}) {
            startOver();
            if (isLater) {
                migrateTo2026(database());
                applyRoleScript();
            }
            settings().stalledJobDuration = 10min;
            expectCancels(isLater);
        }
    }

    void expectCancels(bool isLater)
    {
        std::set<std::string> expected{addStalled(), addReporting()};
        expected.insert(addMoved("10 minutes 30 seconds", "19 minutes"));
        std::set<std::string> others{addReporting("9 minutes"), addMoved("9 minutes"), addMoved("-1 hour")};
        const std::string endless = addStalled();
        database().execute(
            "UPDATE provisioner_job_logs SET created_at = 'infinity' WHERE output = 'last' AND "
            "job_id = '" +
            endless + "'");
        others.insert(endless);
        // The clock of its machine is two hours behind: its first line came at once, the last one 15 minutes
        // later.
        const std::string behind = addReporting();
        database().addLog(behind, stage, "first", "2 hours 20 minutes");
        database().addLog(behind, stage, "last", "2 hours 5 minutes");
        others.insert(behind);
        others.insert(database().addJob({.updatedAgo = "1 second", .canceledAgo = "15 minutes"}));
        others.insert(database().addJob({.updatedAgo = "4 minutes", .completedAgo = "4 minutes"}));
        // Not hung, but it does not report either.
        others.insert(database().addJob({.updatedAgo = "62 seconds"}));
        others.insert(database().addJob({.startedAgo = std::nullopt, .updatedAgo = "20 minutes"}));
        if (isLater) {
            const std::string overflowed = addStalled();
            database().execute("UPDATE provisioner_jobs SET logs_overflowed = true WHERE id = '" +
                               overflowed + "'");
            others.insert(overflowed);
        }
        const std::string hung = addHungJob();
        std::map<std::string, Text> before;
        for (const std::string& job : others)
            before[job] = jobRow(job);

        const RunStatistics statistics = run();
        CPPUNIT_ASSERT(canceled() == expected);
        CPPUNIT_ASSERT_EQUAL(3, statistics.canceled);
        CPPUNIT_ASSERT_EQUAL(std::optional<std::int64_t>(3), statistics.jobs.stalled);
        CPPUNIT_ASSERT_EQUAL(std::vector{hung}, statistics.terminated);
        for (const std::string& job : expected)
            CPPUNIT_ASSERT(isCanceled(job));
        for (const std::string& job : others)
            CPPUNIT_ASSERT_EQUAL(before[job], jobRow(job));
        CPPUNIT_ASSERT_EQUAL(0, run().canceled);
    }

    TEST(doesWhatAUserDoesAndSaysWhy)
    /// Nothing else of the job changes.
    {
        settings().stalledJobDuration = 90min;
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, "a state");
        const std::string job =
            database().addBuildJob({.startedAgo = "5 hours", .updatedAgo = "1 second"},
                                   {.jobId = "", .workspaceId = workspace, .buildNumber = 2});
        database().addLog(job, stage, "last", "2 hours");
        const std::int64_t newest = asSeen(job).newestLine;
        const Text build = buildColumn(job, "(workspace_builds.*)::text");
        const Text before = jobRow(job);
        Sim::NotificationListener follower(connectionString());
        follower.follow(job);

        run();
        CPPUNIT_ASSERT_EQUAL(build, buildColumn(job, "(workspace_builds.*)::text"));
        const std::vector<Sim::LogRow> lines = database().logs(job);
        CPPUNIT_ASSERT_EQUAL(std::size_t{6}, lines.size());
        const std::vector<std::string> texts{
            "",
            "====================", "Coder: Build has made no progress for 90 minutes and will be canceled.",
            "====================", ""};
        for (std::size_t i = 0; i < texts.size(); ++i) {
            const Sim::LogRow& line = lines.at(i + 1);
            CPPUNIT_ASSERT_EQUAL(texts[i], line.output);
            CPPUNIT_ASSERT_EQUAL(std::string("provisioner_daemon error Applying"),
                                 line.source + ' ' + line.level + ' ' + line.stage);
        }
        CPPUNIT_ASSERT_EQUAL(
            Text("0,1000,2000,3000,4000"),
            database().value("SELECT string_agg(round(extract(epoch FROM l.created_at - j.canceled_at) * "
                             "1000000)::text, ',' ORDER BY l.id) FROM provisioner_job_logs l JOIN "
                             "provisioner_jobs j ON j.id = l.job_id WHERE j.id = $1::uuid AND l.id > " +
                                 std::to_string(newest),
                             job));
        const auto notification = follower.next(patience);
        CPPUNIT_ASSERT(notification);
        CPPUNIT_ASSERT_EQUAL("{\"created_after\":" + std::to_string(lines.at(1).id - 1) + '}',
                             notification->payload);
        const Termination& told = posted().canceled.at(0);
        CPPUNIT_ASSERT_EQUAL(std::string("workspace_build Applying"), told.type + ' ' + told.stage);
        CPPUNIT_ASSERT_EQUAL(workspace, told.workspaceId);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{2}, told.buildNumber);
        CPPUNIT_ASSERT(told.silent >= 2h && told.silent < 2h + patience);
        database().execute("UPDATE provisioner_jobs SET canceled_at = NULL");
        CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
    }

    TEST(leavesAJobThatMovesMeanwhile)
    /// Between the search and the statement that cancels.
    {
        struct Row
        {
            const char* name;
            std::string change;
            Outcome outcome;
        };
        const std::vector<Row> rows{
            {"nothing", "", Outcome::canceled},
            {"a line of the past",
             "INSERT INTO provisioner_job_logs (job_id, created_at, source, level, stage, output) SELECT id, "
             "now() - interval '11 minutes', 'provisioner', 'info', 'x', 'y' FROM provisioner_jobs",
             Outcome::notStalled},
            {"a line that got a new time",
             "UPDATE provisioner_job_logs SET created_at = now() WHERE output = 'last'", Outcome::notStalled},
            {"a cancel by its user", "UPDATE provisioner_jobs SET canceled_at = now()", Outcome::notStalled},
            {"silence", "UPDATE provisioner_jobs SET updated_at = now() - interval '61 seconds'",
             Outcome::notStalled},
            {"an overflow", "UPDATE provisioner_jobs SET logs_overflowed = true", Outcome::notStalled},
            {"its end", "UPDATE provisioner_jobs SET completed_at = now()", Outcome::completed},
            {"its removal", "DELETE FROM provisioner_jobs", Outcome::missing},
        };
        migrateTo2026(database());
        JobStore store(ConnectionString::parse(connectionString()), 60s);
        store.open({});
        const Thresholds thresholds{.hung = 300s, .stalled = 600s};
        forEachRow(rows, [&](const Row& row) {
            database().execute("DELETE FROM provisioner_jobs");
            const std::string job = addStalled();
            const auto found = store.findStalled({.thresholds = thresholds, .places = 10});
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, found.chosen.size());
            if (!row.change.empty())
                database().execute(row.change);
            const Text before = jobRow(job);
            const auto previewed = store.previewCancels(found.chosen, thresholds);
            CPPUNIT_ASSERT_EQUAL(row.outcome, previewed.at(0).outcome);
            CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
            std::vector<Outcome> outcomes;
            store.cancel(found.chosen, thresholds,
                         [&](const Termination& answer) { outcomes.push_back(answer.outcome); });
            CPPUNIT_ASSERT_EQUAL(std::vector{row.outcome}, outcomes);
            if (row.outcome != Outcome::canceled)
                CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
        });
    }

    TEST(leavesALockedJob)
    /// Both locks, as for a termination.
    {
        const std::string job = addStalled();
        const std::string key = std::to_string(advisoryLockKey(job));
        for (const std::string& lock : {"SELECT FROM provisioner_jobs WHERE id = '" + job + "' FOR UPDATE",
                                        "SELECT pg_advisory_xact_lock(" + key + ")"}) {
            const OpenTransaction other(connectionString(), lock);
            CPPUNIT_ASSERT_EQUAL(1, run().locked);
            CPPUNIT_ASSERT(!isCanceled(job));
        }
        CPPUNIT_ASSERT_EQUAL(1, run().canceled);
    }

    TEST(neverCancelsASlowWorker)
    /// It writes a line each nine minutes, by a clock that is wrong or right, through three hours.
    {
        for (const std::string wrong : {"0", "-2 hours", "2 hours", "30 days"}) {
            const std::string job = addReporting("1 second");
            const auto write = [&] { database().addLog(job, stage, "a line", wrong); };
            write();
            for (int i = 0; i < 20; ++i) {
                age(job, "9 minutes 50 seconds");
                CPPUNIT_ASSERT_EQUAL_MESSAGE(wrong, 0, run().canceled);
                write();
            }
            age(job, "10 minutes 1 second");
            const bool isAhead = wrong.starts_with('-');
            CPPUNIT_ASSERT_EQUAL_MESSAGE(wrong, isAhead ? 0 : 1, run().canceled);
            database().stopIfCanceled(job);
        }
        // The clock was set back by an hour.
        const std::string young = addReporting("6 minutes");
        database().addLog(young, stage, "before", "6 minutes");
        database().addLog(young, stage, "after", "63 minutes");
        CPPUNIT_ASSERT_EQUAL(0, run().canceled);
    }

    TEST(changesNothingInADryRun)
    {
        settings().dryRun = true;
        const std::string job = addStalled();
        const Text before = jobRow(job);
        for (int i = 0; i < 2; ++i) {
            const RunStatistics statistics = run();
            CPPUNIT_ASSERT_EQUAL(0, statistics.canceled);
            CPPUNIT_ASSERT_EQUAL(1, statistics.wouldCancel);
        }
        CPPUNIT_ASSERT_EQUAL(before, jobRow(job));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, database().logs(job).size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().wouldBeCanceled.size());
        CPPUNIT_ASSERT_EQUAL(std::string(stage), posted().wouldBeCanceled.at(0).stage);
    }

    TEST(sharesThePlacesOfARun)
    {
        settings().massHangRatio = 0;
        addStalledJobs(15);
        addHungJobs(8);
        RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(5, statistics.canceled);
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, statistics.terminated.size());
        CPPUNIT_ASSERT_EQUAL(std::int64_t{13}, statistics.left);
        CPPUNIT_ASSERT(statistics.pause == Run::leastPause);
        statistics = run();
        CPPUNIT_ASSERT_EQUAL(7, statistics.canceled);
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, statistics.terminated.size());
        CPPUNIT_ASSERT_EQUAL(3, run().canceled);
    }

    TEST(drawsByLots)
    {
        addStalledJobs(20);
        JobStore store(ConnectionString::parse(connectionString()), 60s);
        store.open({});
        const Thresholds thresholds{.hung = 300s, .stalled = 600s};
        std::set<std::string> drawn;
        for (int i = 0; i < 20; ++i)
            drawn.insert(store.findStalled({.thresholds = thresholds, .places = 1}).chosen.at(0).jobId);
        CPPUNIT_ASSERT_GREATER(std::size_t{1}, drawn.size());
        const std::vector<std::string> last(std::next(drawn.begin()), drawn.end());
        const std::string first = addStalled();
        std::vector<std::string> others;
        for (const StalledJob& job : store.findStalled({.thresholds = thresholds, .places = 30}).chosen) {
            if (job.jobId != first)
                others.push_back(job.jobId);
        }
        const auto chosen = store.findStalled({.thresholds = thresholds, .places = 1, .last = others});
        CPPUNIT_ASSERT_EQUAL(first, chosen.chosen.at(0).jobId);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{21}, chosen.jobs);
    }

    TEST(holdsWhenManyAreStalled)
    /// For one StalledJobDuration. Jobs that have been silent for half of it count, as jobs stall one by one.
    {
        settings().stalledJobDuration = 4s;
        settings().maxJobsPerRun = 100;
        const std::string stalled = addStalled();
        for (int i = 0; i < 29; ++i)
            addMoved("3 seconds");
        database().addJobs(20, {.startedAgo = "-1 hour", .updatedAgo = "-1 hour"});
        RunStatistics statistics = run();
        const auto began = std::chrono::steady_clock::now();
        CPPUNIT_ASSERT(statistics.areStallsHeld);
        CPPUNIT_ASSERT_EQUAL(std::optional<std::int64_t>(1), statistics.jobs.stalled);
        CPPUNIT_ASSERT(run().areStallsHeld);
        CPPUNIT_ASSERT(posted().canceled.empty());
        std::this_thread::sleep_until(began + settings().stalledJobDuration);
        CPPUNIT_ASSERT_EQUAL(30, run().canceled);
        CPPUNIT_ASSERT_EQUAL(std::vector<std::string>{"30 of 50 for 4 s"}, posted().massStallBegan);
        CPPUNIT_ASSERT_EQUAL(std::vector<std::string>{"30 of 50"}, posted().massStallEnded);
        CPPUNIT_ASSERT(posted().massHangBegan.empty());
        CPPUNIT_ASSERT(isCanceled(stalled));
    }

    TEST(goesOnWithAHoldWhenItWasOffForAMoment)
    /// As when a file is read that is half written.
    {
        addStalledJobs(30);
        CPPUNIT_ASSERT(run().areStallsHeld);
        change(&Settings::stalledJobDuration, 0s);
        CPPUNIT_ASSERT(!run().areStallsHeld);
        change(&Settings::stalledJobDuration, 10min);
        CPPUNIT_ASSERT(run().areStallsHeld);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().massStallBegan.size());
        CPPUNIT_ASSERT(posted().massStallEnded.empty());
    }

    TEST(cancelsNothingDuringAMassHang)
    {
        const std::string job = addStalled();
        addHungJobs(25);
        CPPUNIT_ASSERT(run().held);
        CPPUNIT_ASSERT(!isCanceled(job));
    }

    TEST(watchesWhatFollows)
    /// Also what a detector has canceled that is gone.
    {
        const std::string workspace = Sim::JobDatabase::newId();
        for (const bool isNew : {false, true}) {
            startOver();
            settings().stalledJobDuration = 10min;
            database().execute("INSERT INTO users (id, username) VALUES (gen_random_uuid(), 'ada')");
            database().execute("INSERT INTO templates (id, name) VALUES (gen_random_uuid(), 'gpu')");
            database().execute("INSERT INTO workspaces (id, owner_id, template_id, name) SELECT '" +
                               workspace + "', users.id, templates.id, 'thesis' FROM users, templates");
            const std::string ended = addStalled();
            const std::string reaped = addStalled();
            const std::string silent = addStalled();
            const std::string deaf =
                database().addBuildJob({.updatedAgo = "1 second"}, {.jobId = "", .workspaceId = workspace});
            const std::string users = addStalled();
            setBack(users, "canceled_at", "4 minutes");
            CPPUNIT_ASSERT_EQUAL(4, run().canceled);
            if (isNew)
                forgetDetector();
            age(deaf, "4 minutes 50 seconds");
            age(users, "4 minutes 50 seconds");
            CPPUNIT_ASSERT_EQUAL(std::size_t{0}, run().terminated.size());
            CPPUNIT_ASSERT(posted().cancelFollowed.empty() && posted().cancelIgnored.empty());
            database().stopIfCanceled(ended);
            database().execute("UPDATE provisioner_jobs SET completed_at = now(), error = '" +
                               Sim::ContractTexts{.detector = "the reaper"}.error() + "' WHERE id = '" +
                               reaped + "'");
            for (int i = 0; i < 2; ++i) {
                age(deaf, "20 seconds");
                CPPUNIT_ASSERT_EQUAL(std::size_t{0}, run().terminated.size());
                CPPUNIT_ASSERT_EQUAL(std::vector{ended}, posted().cancelFollowed);
                CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().cancelIgnored.size());
            }
            CPPUNIT_ASSERT_EQUAL(deaf, posted().cancelIgnored.at(0).jobId);
            CPPUNIT_ASSERT_EQUAL(workspace, posted().cancelIgnored.at(0).workspaceId);
            CPPUNIT_ASSERT_EQUAL(std::string("thesis"), posted().cancelIgnored.at(0).workspace);
            CPPUNIT_ASSERT_EQUAL(std::string("ada"), posted().cancelIgnored.at(0).owner);
            setBack(silent, "canceled_at", "6 minutes");
            setBack(silent, "updated_at", "6 minutes");
            CPPUNIT_ASSERT_EQUAL(std::vector{silent}, run().terminated);
            run();
            CPPUNIT_ASSERT_EQUAL(std::vector{ended}, posted().cancelFollowed);
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().cancelIgnored.size());
            CPPUNIT_ASSERT(!isCompleted(deaf));
        }
    }

    TEST(bearsACancelAtAnyTime)
    /// An infinite one says nothing of the other jobs.
    {
        const std::string odd = addStalled();
        const std::string ended = addStalled();
        CPPUNIT_ASSERT_EQUAL(2, run().canceled);
        database().execute("UPDATE provisioner_jobs SET canceled_at = 'infinity' WHERE id = '" + odd + "'");
        database().stopIfCanceled(odd);
        database().stopIfCanceled(ended);
        run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, posted().cancelFollowed.size());
    }

    TEST(worksBesideHeartbeats)
    /// The rows of the jobs change all the time, unlike those of hung jobs. Two detectors cancel each job
    /// once.
    {
        const std::vector<std::string> jobs = addStalledJobs(20);
        database().addJobs(30, {.startedAgo = "-1 hour", .updatedAgo = "-1 hour"});
        settings().maxJobsPerRun = 100;
        std::vector<std::jthread> threads;
        for (int i = 0; i < 3; ++i) {
            threads.emplace_back([&](const std::stop_token& stop) {
                Sim::JobDatabase server(connectionString());
                while (!stop.stop_requested()) {
                    for (const std::string& job : jobs)
                        server.heartbeat(job);
                }
            });
        }
        std::atomic<int> canceledByOther = 0;
        threads.emplace_back([&](const std::stop_token& stop) {
            Poco::NotificationCenter center;
            HangDetector other(settings(), center, nullptr, 0ms);
            while (!stop.stop_requested())
                canceledByOther += other.run({}).canceled;
        });
        const bool areAllCanceled = eventually(patience, [&] {
            run();
            return static_cast<int>(posted().canceled.size()) + canceledByOther == 20;
        });
        threads.clear();
        CPPUNIT_ASSERT(areAllCanceled);
        for (const std::string& job : jobs) {
            CPPUNIT_ASSERT_EQUAL(std::size_t{2 + 5}, database().logs(job).size());
            CPPUNIT_ASSERT(isCanceled(job) && !isCompleted(job));
        }
    }

    TEST(worksWithADaemonThatObeysAndWithOneThatDoesNot)
    /// Workers that report twice a second, and learn of the cancel by that.
    {
        settings().stalledJobDuration = 2s;
        settings().hungJobDuration = 4s;
        settings().hungJobExitTimeout = 1s;
        std::atomic<bool> isDeafAlive = true;
        std::atomic<bool> isOver = false;
        const std::string obedient = addReporting("1 second");
        const std::string deaf = addReporting("1 second");
        const auto work = [&](const std::string& job, bool obeys, const std::atomic<bool>& lives) {
            Sim::JobDatabase server(connectionString());
            while (lives && !isOver) {
                server.heartbeat(job);
                if (obeys)
                    server.stopIfCanceled(job);
                if (server.isCompleted(job))
                    return;
                std::this_thread::sleep_for(500ms);
            }
        };
        const std::atomic<bool> always = true;
        std::thread first(work, obedient, true, std::cref(always));
        std::thread second(work, deaf, false, std::cref(isDeafAlive));
        const auto until = [&](const auto& condition) {
            return eventually(patience, [&] {
                std::this_thread::sleep_for(200ms);
                detector().run({});
                return condition();
            });
        };
        const bool isFollowed = until([&] { return !posted().cancelFollowed.empty(); });
        const bool isIgnored = until([&] { return !posted().cancelIgnored.empty(); });
        isDeafAlive = false;
        const bool isTerminated = until([&] { return !posted().terminated.empty(); });
        isOver = true;
        first.join();
        second.join();
        CPPUNIT_ASSERT(isFollowed && isIgnored && isTerminated);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, posted().canceled.size());
        CPPUNIT_ASSERT_EQUAL(std::vector{obedient}, posted().cancelFollowed);
        CPPUNIT_ASSERT_EQUAL(Text("Canceled"), jobColumn(obedient, "error"));
        CPPUNIT_ASSERT_EQUAL(deaf, posted().cancelIgnored.at(0).jobId);
        CPPUNIT_ASSERT_EQUAL(deaf, posted().terminated.at(0).jobId);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().terminated.size());
    }

    TEST(findsOutWhatGotNoAnswer)
    /// A cancel by the job's user is not ours.
    {
        const std::string ours = addStalled();
        const std::string users = addStalled();
        const std::string untouched = addStalled();
        const std::vector<StalledJob> jobs{asSeen(ours), asSeen(users), asSeen(untouched)};
        JobStore store(ConnectionString::parse(connectionString()), 60s);
        store.open({});
        Poco::NotificationCenter center;
        const PostedNotifications found(center);
        CanceledJobs canceledJobs(center);
        const auto now = CanceledJobs::Clock::now();
        canceledJobs.expect(jobs, now + 60s);
        store.cancel(std::span(jobs).first(1), {.hung = 300s, .stalled = 600s}, [](const Termination&) {});
        database().execute("UPDATE provisioner_jobs SET canceled_at = now() WHERE id = '" + users + "'");
        database().addLog(users, stage, "a line", "0");
        for (int i = 0; i < 2; ++i) {
            canceledJobs.report(store, 300s, 600s, now);
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, found.canceled.size());
        }
        CPPUNIT_ASSERT_EQUAL(ours, found.canceled.at(0).jobId);
        CPPUNIT_ASSERT(found.canceled.at(0).isAnswerLost);
        // The statement may be at work until then, and have the job locked when it is tried again.
        canceledJobs.expect(std::span(jobs).last(1), now);
        Termination locked;
        locked.jobId = untouched;
        locked.outcome = Outcome::locked;
        canceledJobs.answered(locked);
        canceledJobs.settled();
        store.cancel(std::span(jobs).last(1), {.hung = 300s, .stalled = 600s}, [](const Termination&) {});
        canceledJobs.report(store, 300s, 600s, now);
        CPPUNIT_ASSERT_EQUAL(untouched, found.canceled.at(1).jobId);
        database().stopIfCanceled(users);
        database().stopIfCanceled(ours);
        canceledJobs.report(store, 300s, 600s, now);
        CPPUNIT_ASSERT_EQUAL(std::vector{ours}, found.cancelFollowed);
    }

    TEST(saysInTheNextRunWhatGotNoAnswer)
    /// The server commits, and the network dies before its answer.
    {
        StallingProxy proxy(server().directory());
        settings().connection =
            ConnectionString::parse(connectionString(detectorRole) + " host=" + proxy.directory().string());
        settings().runTimeout = 2s;
        connectDetector();
        const std::string job = addStalled();
        proxy.fallSilentAfterStatement("will be canceled.");
        CPPUNIT_ASSERT(tryRun().error);
        CPPUNIT_ASSERT(isCanceled(job));
        CPPUNIT_ASSERT(posted().canceled.empty());
        proxy.endSilence();
        for (int i = 0; i < 2; ++i) {
            CPPUNIT_ASSERT_EQUAL(0, run().canceled); // by this run
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().canceled.size());
        }
        CPPUNIT_ASSERT_EQUAL(job, posted().canceled.at(0).jobId);
        CPPUNIT_ASSERT(posted().canceled.at(0).isAnswerLost);
    }

    TEST(looksUpTheNewestLineInTheIndex)
    {
        database().addJobs(200, {.updatedAgo = "1 second"});
        database().execute(
            "INSERT INTO provisioner_job_logs (job_id, created_at, source, level, stage, output) "
            "SELECT id, now(), 'provisioner', 'info', 'x', 'y' FROM generate_series(1, 500), "
            "provisioner_jobs");
        database().execute("VACUUM ANALYZE");
        LibpqSession session(connectionString());
        session.execute(std::string("SET plan_cache_mode = force_generic_plan; SET join_collapse_limit = 1; "
                                    "PREPARE search AS ") +
                        Statements::find_stalled_jobs);
        const Answer lines =
            session.execute("EXPLAIN (ANALYZE, BUFFERS, COSTS off) EXECUTE search(600, 60, 10, '{}')");
        std::string plan;
        for (int i = 0; i < lines.rows(); ++i)
            plan += lines.value(i, R"("QUERY PLAN")") + '\n';
        assertContains("Index Scan Backward using provisioner_job_logs_job_id_id_idx", plan);
        CPPUNIT_ASSERT_MESSAGE(plan, plan.find("Seq Scan on provisioner_job_logs") == std::string::npos);
    }

    TEST(goesOnWithoutTheRights)
    /// And says so once.
    {
        const std::string role = detectorRole;
        for (const std::string right :
             {"SELECT (created_at) ON provisioner_job_logs", "UPDATE (canceled_at) ON provisioner_jobs",
              "SELECT (logs_overflowed) ON provisioner_jobs"}) {
            startOver();
            migrateTo2026(database());
            applyRoleScript();
            settings().stalledJobDuration = 10min;
            database().execute("REVOKE " + right + " FROM " + role);
            const std::string stalled = addStalled();
            database().addJobs(Run::batchSize, {.updatedAgo = "1 second"});
            settings().massHangRatio = 0;
            settings().maxJobsPerRun = 2 * Run::batchSize;
            for (int i = 0; i < 2; ++i) {
                const std::string hung = addHungJob();
                CPPUNIT_ASSERT_EQUAL(std::vector{hung}, run().terminated);
            }
            CPPUNIT_ASSERT(!isCanceled(stalled));
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().stallsUnknown.size());
            CPPUNIT_ASSERT(posted().failed.empty());
            // Each attempt is an error in the server's log, so the next one comes in an hour.
            applyRoleScript();
            CPPUNIT_ASSERT_EQUAL(0, run().canceled);
        }
    }

    TEST(asksForNothingWhileItIsOff)
    {
        settings().stalledJobDuration = 0s;
        database().execute(std::string("REVOKE SELECT (created_at) ON provisioner_job_logs FROM ") +
                           detectorRole);
        const std::string job = addStalled();
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT(!statistics.jobs.stalled);
        CPPUNIT_ASSERT(posted().stallsUnknown.empty());
        CPPUNIT_ASSERT(!isCanceled(job));
    }

    TEST(reportsAJobThatATriggerKeeps)
    /// The others are canceled.
    {
        struct Row
        {
            const char* name;
            std::string table;
            std::string trigger;
            Outcome outcome;
        };
        const std::vector<Row> rows{
            {"keeps the job", "provisioner_jobs", "IF new.type = 'workspace_build' THEN RETURN NULL; END IF",
             Outcome::notUpdated},
            {"keeps the time", "provisioner_jobs",
             "IF new.type = 'workspace_build' THEN new.canceled_at := now() - interval '1 day'; END IF",
             Outcome::failed},
            {"takes a line", "provisioner_job_logs",
             "IF new.output = '' AND 'workspace_build' = (SELECT type::text FROM provisioner_jobs j WHERE "
             "j.id = "
             "new.job_id) THEN RETURN NULL; END IF",
             Outcome::failed},
            {"raises", "provisioner_jobs", "IF new.type = 'workspace_build' THEN RAISE 'no'; END IF",
             Outcome::failed},
        };
        forEachRow(rows, [&](const Row& row) {
            startOver();
            settings().stalledJobDuration = 10min;
            const std::string other = addStalled();
            const std::string kept = database().addBuildJob({.updatedAgo = "1 second"}, {.jobId = ""});
            addTrigger(row.table, row.trigger);
            const RunStatistics statistics = run();
            CPPUNIT_ASSERT_EQUAL(1, statistics.failed);
            CPPUNIT_ASSERT(canceled() == std::set{other});
            CPPUNIT_ASSERT_EQUAL(kept, posted().failed.at(0).jobId);
            CPPUNIT_ASSERT_EQUAL(row.outcome, posted().failed.at(0).outcome);
            CPPUNIT_ASSERT(posted().failed.at(0).isCancel);
            CPPUNIT_ASSERT(!isCanceled(kept));
            CPPUNIT_ASSERT(database().logs(kept).empty());
        });
    }

    void addTrigger(const std::string& table, const std::string& statements)
    {
        database().execute("CREATE FUNCTION interfere() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN " +
                           statements + "; RETURN new; END$$");
        database().execute("CREATE TRIGGER interfere BEFORE INSERT OR UPDATE ON " + table +
                           " FOR EACH ROW EXECUTE FUNCTION interfere()");
    }

    TEST(harmsNothingElseByAnErrorThatEveryJobCouldHave)
    /// Hung jobs are terminated and allocations released before.
    {
        SlurmScript slurm;
        settings().releaseAllocations = true;
        useSlurm(std::make_unique<ScriptedSlurm>(slurm));
        const std::string other = addStalled();
        const std::string odd = database().addBuildJob({.updatedAgo = "1 second"}, {.jobId = ""});
        addTrigger("provisioner_jobs", "IF new.type = 'workspace_build' THEN RAISE SQLSTATE '55P03'; END IF");
        // In the second run each is alone. Their order is random, and only after a good one it is known which
        // is at fault.
        for (int i = 0; i < 20 && posted().failed.empty(); ++i) {
            const std::string hung = addHungJob();
            slurm.marked.push_back({.name = "7", .mark = {.text = hung}});
            CPPUNIT_ASSERT_EQUAL(std::vector{hung}, run().terminated);
            CPPUNIT_ASSERT(slurm.marked.empty());
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().failed.size());
        CPPUNIT_ASSERT_EQUAL(odd, posted().failed.at(0).jobId);
        CPPUNIT_ASSERT(canceled() == std::set{other});
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().stallsUnknown.size());
    }

    TEST(leavesAJobWhoseWorkerHasEnded)
    /// That is terminated as ended, when EndedJobDuration has passed.
    {
        SlurmScript slurm;
        settings().endedJobDuration = 60s;
        settings().trustedUsers = {{"root", 0}};
        useSlurm(std::make_unique<ScriptedSlurm>(slurm));
        const std::string job = addStalled();
        slurm.marked.push_back(
            {.name = "7", .mark = {.text = job}, .startedAgo = 1h, .endedAgo = 10s, .state = "FAILED"});
        CPPUNIT_ASSERT_EQUAL(0, run().canceled);
        slurm.marked.clear();
        CPPUNIT_ASSERT(!isCanceled(job));
    }

    TEST(sparesAJobWhoseSlurmJobWasSuspended)
    /// For one StalledJobDuration after that.
    {
        SlurmScript slurm;
        useSlurm(std::make_unique<ScriptedSlurm>(slurm));
        std::map<std::string, std::optional<std::chrono::seconds>> resumed{
            {addStalled(), 60s}, {addStalled(), 700s}, {addStalled(), std::nullopt}};
        std::set<std::string> expected;
        for (const auto& [job, ago] : resumed) {
            slurm.marked.push_back({.name = job, .mark = {.text = job}, .resumedAgo = ago});
            if (!ago || *ago > 600s)
                expected.insert(job);
        }
        const std::string paused = addStalled();
        slurm.marked.push_back({.name = "paused", .mark = {.text = paused}, .isSuspended = true});
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT(canceled() == expected);
        CPPUNIT_ASSERT_EQUAL(2, statistics.suspended);
        CPPUNIT_ASSERT(!isCanceled(paused));
    }

    TEST(countsNoTimeInWhichNobodyCouldWrite)
    {
        settings().stalledJobDuration = 8s;
        settings().massHangRatio = 0;
        connectDetector();
        const std::string job = addReporting("1 second");
        detector().run({});
        {
            const OpenTransaction other(connectionString(), lockOnTheJobs);
            CPPUNIT_ASSERT(detector().run({}).error);
            std::this_thread::sleep_for(4s);
        }
        const auto reportAndRun = [&] {
            database().heartbeat(job);
            detector().run({});
        };
        CPPUNIT_ASSERT(database().isTrue(
            "SELECT started_at < now() - interval '9 s' FROM provisioner_jobs WHERE id = $1::uuid", job));
        reportAndRun();
        CPPUNIT_ASSERT(!isCanceled(job));
        await([&] {
            reportAndRun();
            return isCanceled(job);
        });
    }
};

} // namespace HangDetection::Test
