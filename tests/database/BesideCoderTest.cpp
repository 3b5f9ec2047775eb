// What runs beside the detector in a Coder deployment, on the schemas of both years.

#include "CoderDetector.h"
#include "ContractTexts.h"
#include "DatabaseFixture.h"
#include "Rows.h"
#include "ScriptedSlurm.h"

#include <Poco/NumberFormatter.h>
#include <Poco/String.h>

#include <atomic>

namespace HangDetection::Test {

using namespace std::chrono_literals;
using Era = CoderDetector::Era;

class BesideCoderTest : public DatabaseFixture
/// With the schema and the detector of a year.
{
    CPPUNIT_TEST_SUITE(BesideCoderTest);
    CPPUNIT_TEST(releasesWhatCoderTerminatedWhileAMassHangIsHeld);
    CPPUNIT_TEST(terminatesACanceledJobThatWasNeverStarted);
    CPPUNIT_TEST(looksTwiceBeforeItTerminates);
    CPPUNIT_TEST(stopsBetweenTheLooks);
    CPPUNIT_TEST(sparesTheJobsOfAServerWhoseClockIsBehind);
    CPPUNIT_TEST(takesNoCancelForAHeartbeat);
    CPPUNIT_TEST(looksAgainAtAJobThatDiedLongAgo);
    CPPUNIT_TEST(sparesAJobThatReportsBetweenSearchAndTermination);
    CPPUNIT_TEST(failsWhenAPolicyHidesRows);
    CPPUNIT_TEST(worksWhenNoPolicyIsForItsRole);
    CPPUNIT_TEST(terminatesWhereTextsAreNotUnicode);
    CPPUNIT_TEST_SUITE_END_ABSTRACT();

public:
    explicit BesideCoderTest(Era year) : era(year) {}

    void setUp() override
    {
        DatabaseFixture::setUp();
        if (era == Era::year2026) {
            migrateTo2026(database());
            applyRoleScript();
        }
    }

private:
    using Lines = std::vector<std::string>;

    std::string errorOfCoder() const
    {
        return Sim::ContractTexts{.detector = era == Era::year2026 ? "the reaper" : "hang detector"}.error();
    }

    void terminateAsCoder(const std::string& job)
    {
        CoderDetector coder(connectionString(), era);
        coder.run();
        CPPUNIT_ASSERT_EQUAL(Lines{job}, coder.terminated());
        CPPUNIT_ASSERT_EQUAL(Text(errorOfCoder()), jobColumn(job, "error"));
    }

    void releasesWhatCoderTerminatedWhileAMassHangIsHeld()
    /// Coder's own detector knows no mass hang.
    {
        const std::string job = addHungJob();
        SlurmScript slurm;
        slurm.marked.push_back({.name = "7", .mark = {.text = job}});
        settings().releaseAllocations = true;
        useSlurm(std::make_unique<ScriptedSlurm>(slurm));
        terminateAsCoder(job);
        addHungJobs(30);
        CPPUNIT_ASSERT(run().held);
        CPPUNIT_ASSERT_EQUAL(Lines{"7 of " + job + " released"}, posted().allocations);
        CPPUNIT_ASSERT_EQUAL(Lines{errorOfCoder()}, slurm.reasons);
    }

    void terminatesACanceledJobThatWasNeverStarted()
    /// It is hung, and stays without a start, as with Coder's own detector. One that was just canceled is
    /// left alone.
    {
        settings().pendingJobDuration = 30min;
        database().addJob({.startedAgo = std::nullopt, .updatedAgo = "4 minutes", .canceledAgo = "1 minute"});
        const auto addCanceled = [this] {
            return database().addJob(
                {.startedAgo = std::nullopt, .updatedAgo = "31 minutes", .canceledAgo = "6 minutes"});
        };
        const std::string columns = "concat_ws(', ', started_at, error_code, canceled_at IS NOT NULL, (SELECT"
                                    " string_agg(output, '|' ORDER BY l.id) FROM provisioner_job_logs l"
                                    " WHERE job_id = provisioner_jobs.id))";
        const std::string job = addCanceled();
        change(&Settings::dryRun, true);
        CPPUNIT_ASSERT_EQUAL(1, run().wouldTerminate);
        change(&Settings::dryRun, false);
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(Lines{job}, statistics.terminated);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{1}, statistics.jobs.hung);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{2}, statistics.jobs.running);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, statistics.jobs.pending.value());
        CPPUNIT_ASSERT_EQUAL(Reason::hung, posted().terminated.back().reason);
        CPPUNIT_ASSERT_EQUAL(Text(Sim::ContractTexts().error()), jobColumn(job, "error"));
        if (era == Era::year2023)
            return;
        const std::string other = addCanceled();
        terminateAsCoder(other);
        CPPUNIT_ASSERT_EQUAL(jobColumn(other, columns), jobColumn(job, columns));
    }

    void looksTwiceBeforeItTerminates()
    /// However short RunTimeout is.
    {
        for (const std::chrono::seconds timeout : {settings().runTimeout, 1s}) {
            settings().runTimeout = timeout;
            const std::string job = addHungJob();
            const RunStatistics statistics = HangDetector(settings(), _center).run({});
            CPPUNIT_ASSERT_EQUAL(Lines{job}, statistics.terminated);
            CPPUNIT_ASSERT_MESSAGE(std::to_string(timeout.count()) + " s",
                                   statistics.duration >= EarlierLooks::defaultApart);
        }
    }

    void stopsBetweenTheLooks()
    {
        addHungJob();
        HangDetector detector(settings(), _center);
        std::stop_source stop;
        const std::jthread stopper([&] {
            std::this_thread::sleep_for(1s);
            stop.request_stop();
        });
        const RunStatistics statistics = detector.run(stop.get_token());
        CPPUNIT_ASSERT(statistics.stopped);
        CPPUNIT_ASSERT(statistics.duration < EarlierLooks::defaultApart);
        CPPUNIT_ASSERT(statistics.terminated.empty());
    }

    void sparesTheJobsOfAServerWhoseClockIsBehind()
    /// It also stamps the start of a job, which counts while its log is empty.
    {
        PostedNotifications posted(_center);
        settings().stalledJobDuration = 10min;
        settings().massHangRatio = 0;
        Lines jobs;
        for (int i = 0; i < 5; ++i)
            jobs.push_back(database().addJob({.startedAgo = "9 minutes 55 seconds"}));
        std::atomic<std::chrono::seconds> lag{330s};
        std::atomic<bool> isLastPaused = false;
        // Workers report each of their jobs every half a second; a server writes that down by its own clock.
        const std::jthread workers([&](const std::stop_token& stop) {
            Sim::JobDatabase session(connectionString());
            for (; !stop.stop_requested(); std::this_thread::sleep_for(500ms)) {
                for (const std::string& job : jobs) {
                    if (!isLastPaused || job != jobs.back())
                        session.execute(
                            "UPDATE provisioner_jobs SET updated_at = clock_timestamp() - interval '" +
                            std::to_string(lag.load().count()) +
                            " seconds' WHERE completed_at IS NULL AND id = '" + job + "'");
                }
            }
        });
        HangDetector detector(settings(), _center);
        const auto runUntil = [&](auto&& isReached) {
            for (int runs = 0; runs < 20 && !isReached(); ++runs) {
                const RunStatistics statistics = detector.run({});
                CPPUNIT_ASSERT(!statistics.error);
                CPPUNIT_ASSERT_EQUAL(Lines{}, statistics.terminated);
                CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, statistics.jobs.silent);
                std::this_thread::sleep_for(3s);
            }
            CPPUNIT_ASSERT(isReached());
        };
        runUntil([&] { return !posted.clockLags.empty(); });
        CPPUNIT_ASSERT(posted.clockLags.front() >= 330s && posted.clockLags.front() < 350s);
        // Silent for some seconds, and past the threshold by its time.
        isLastPaused = true;
        int runs = 0;
        runUntil([&] { return ++runs > 4; });
        CPPUNIT_ASSERT(posted.canceled.empty());
        lag = -5s;
        runUntil([&] { return posted.clockLagsEnded == 1; });
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted.clockLags.size());
    }

    void takesNoCancelForAHeartbeat()
    /// Users cancel what does not move.
    {
        const std::string canceled = addHungJob();
        const std::string reporting = addHungJob();
        JobStore store(settings().connection, 20s);
        store.open({});
        JobStore::Search search{.thresholds = {300s}, .lookAhead = 60s, .places = 10};
        search.earlier = store.findJobs(search).look;
        database().execute("UPDATE provisioner_jobs SET canceled_at = now() WHERE id = '" + canceled + "'");
        CPPUNIT_ASSERT(!store.findJobs(search).heartbeatAge);
        database().execute("UPDATE provisioner_jobs SET updated_at = now() - interval '10 minutes'"
                           " WHERE id = '" +
                           reporting + "'");
        CPPUNIT_ASSERT(store.findJobs(search).heartbeatAge >= 10min);
    }

    void looksAgainAtAJobThatDiedLongAgo()
    /// Soon after the earlier look, so that this look sees it written since.
    {
        database().addJob({.updatedAgo = "-1 hour"});
        HangDetector detector(settings(), _center);
        detector.run({});
        std::this_thread::sleep_for(7s);
        const std::string job = addHungJob();
        const RunStatistics statistics = detector.run({});
        CPPUNIT_ASSERT(statistics.terminated.empty());
        const auto pause = statistics.pause;
        CPPUNIT_ASSERT(pause == EarlierLooks::defaultApart);
        std::this_thread::sleep_for(*pause);
        CPPUNIT_ASSERT_EQUAL(Lines{job}, detector.run({}).terminated);
    }

    void sparesAJobThatReportsBetweenSearchAndTermination()
    /// By a clock that is behind, so that its time is past the threshold all the same.
    {
        const std::string job = addHungJob();
        run(); // terminates it, and is undone
        database().execute("UPDATE provisioner_jobs SET completed_at = NULL, error = NULL,"
                           " updated_at = now() - interval '10 minutes'");
        JobStore store(settings().connection, 20s);
        store.open({});
        JobStore::Search search{.thresholds = {300s}, .lookAhead = 60s, .places = 10};
        search.earlier = store.findJobs(search).look;
        const FoundJobs found = store.findJobs(search);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, found.chosen.size());
        database().execute("UPDATE provisioner_jobs SET updated_at = now() - interval '9 minutes'");
        std::vector<Outcome> outcomes{store.preview(found.chosen, search.thresholds).at(0).outcome};
        store.terminate(found.chosen, search.thresholds,
                        [&](const Termination& answer) { outcomes.push_back(answer.outcome); });
        CPPUNIT_ASSERT(outcomes == std::vector(2, Outcome::reported));
        CPPUNIT_ASSERT(!isCompleted(job));
    }

    void failsWhenAPolicyHidesRows()
    {
        for (const std::string table : {"provisioner_jobs", "provisioner_job_logs", "workspace_builds"}) {
            const std::string job = addHungBuild(Sim::JobDatabase::newId(), 1);
            database().execute("ALTER TABLE " + table + " ENABLE ROW LEVEL SECURITY");
            expectError("row-level security policy for table \"" + table + '"', "42501", "BYPASSRLS");
            CPPUNIT_ASSERT(!isCompleted(job));
            const std::string said = applyRoleScript();
            CPPUNIT_ASSERT_MESSAGE(said, said.find("would hide rows of " + table) != std::string::npos);
            database().execute("ALTER TABLE " + table + " DISABLE ROW LEVEL SECURITY");
            CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
        }
    }

    void worksWhenNoPolicyIsForItsRole()
    {
        database().execute("ALTER TABLE provisioner_jobs ENABLE ROW LEVEL SECURITY");
        database().execute("ALTER ROLE hang_detector BYPASSRLS");
        const std::string job = addHungJob();
        const RunStatistics statistics = run();
        const std::string said = applyRoleScript();
        database().execute("ALTER ROLE hang_detector NOBYPASSRLS");
        CPPUNIT_ASSERT_EQUAL(Lines{job}, statistics.terminated);
        assertLacks("WARNING", said);
    }

    void terminatesWhereTextsAreNotUnicode()
    {
        struct Encoding
        {
            std::string name;
            std::string character;
        };
        // A stage that was cut in the middle of a character, and a character that Unicode has not.
        forEachRow<Encoding>({{"SQL_ASCII", "\xC3"}, {"WIN1252", "\x81"}}, [this](const Encoding& encoding) {
            expectTerminatedWith(encoding.character, encoding.name);
        });
    }

    void expectTerminatedWith(const std::string& character, const std::string& encoding)
    /// In each text that the answer about a termination has.
    {
        const std::string name =
            (era == Era::year2026 ? "texts_of_2026_" : "texts_of_2023_") + Poco::toLower(encoding);
        server().createDatabase(name,
                                "ENCODING '" + encoding + "' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
        const std::string where = connectionString() + " dbname=" + name;
        std::optional<Sim::JobDatabase> other(where);
        if (era == Era::year2026)
            migrateTo2026(*other);
        applyRoleScriptTo(where);
        const std::string text = "convert_from(decode('" +
                                 Poco::NumberFormatter::formatHex(static_cast<unsigned char>(character[0])) +
                                 "', 'hex'), '" + encoding + "')";
        const std::string workspace = Sim::JobDatabase::newId();
        const std::string job = other->addBuildJob({}, {.jobId = "", .workspaceId = workspace});
        other->addLog(job, "Planning");
        other->execute("UPDATE provisioner_job_logs SET stage = 'Planning ' || " + text);
        for (const char* const table : {"users", "templates"})
            other->execute(std::string("INSERT INTO ") + table + " VALUES ('" + workspace + "', " + text +
                           ")");
        other->execute("INSERT INTO workspaces VALUES ('" + workspace + "', '" + workspace + "', '" +
                       workspace + "', " + text + ")");

        settings().connection = ConnectionString::parse(connectionString(detectorRole) + " dbname=" + name);
        CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
        const Termination& answer = posted().terminated.back();
        CPPUNIT_ASSERT_EQUAL("Planning " + character, answer.stage);
        CPPUNIT_ASSERT_EQUAL(Lines(3, character),
                             (Lines{answer.workspace, answer.owner, answer.templateName}));
        forgetDetector();
        other.reset();
        database().execute("DROP DATABASE " + name + " WITH (FORCE)");
    }

    const Era era;
    Poco::NotificationCenter _center;
};

class BesideCoderOf2023Test : public BesideCoderTest
{
    CPPUNIT_TEST_SUB_SUITE(BesideCoderOf2023Test, BesideCoderTest);
    CPPUNIT_TEST_SUITE_END();

public:
    BesideCoderOf2023Test() : BesideCoderTest(Era::year2023) {}
};

class BesideCoderOf2026Test : public BesideCoderTest
{
    CPPUNIT_TEST_SUB_SUITE(BesideCoderOf2026Test, BesideCoderTest);
    CPPUNIT_TEST_SUITE_END();

public:
    BesideCoderOf2026Test() : BesideCoderTest(Era::year2026) {}
};

CPPUNIT_TEST_SUITE_REGISTRATION(BesideCoderOf2023Test);
CPPUNIT_TEST_SUITE_REGISTRATION(BesideCoderOf2026Test);

} // namespace HangDetection::Test
