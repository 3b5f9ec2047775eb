#include "Outage.h"
#include "Eventually.h"
#include "FrozenServer.h"
#include "FullDisk.h"
#include "HbaRule.h"
#include "OpenTransaction.h"
#include "ServiceFixture.h"
#include "StallingProxy.h"
#include "Standby.h"
#include "detection/PeriodicTask.h"
#include "detection/RetryPause.h"

#include <algorithm>
#include <csignal>
#include <exception>
#include <fstream>
#include <functional>
#include <iostream>
#include <list>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace HangDetection::Test {

using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

struct ServiceOptions
/// What the service is to be like.
{
    std::chrono::seconds interval{4};
    /// Longer than the first two pauses, what the attempts between them take, and the blur.
    std::string connection = {};
    /// Further options of the connection string; the last of a name counts.
    std::string settings = {};
    std::chrono::seconds attempt{0};
    /// How long a run takes that fails.
};

class ForkedProcess
/// A copy of this process that does something else, until it is killed with the object.
/// Made while there is only one thread.
{
public:
    template <typename Action>
    explicit ForkedProcess(Action action) : _id(fork())
    {
        if (_id < 0)
            throw std::runtime_error("no process to be had");
        if (_id > 0)
            return;
        try {
            action();
        } catch (...) {
            // The parent misses what was to be done.
        }
        _exit(0);
    }

    ~ForkedProcess()
    {
        kill(_id, SIGKILL);
        waitpid(_id, nullptr, 0);
    }

    ForkedProcess(const ForkedProcess&) = delete;
    ForkedProcess& operator=(const ForkedProcess&) = delete;

    void stop() const
    /// As by Ctrl-Z: it is there, and does nothing.
    {
        kill(_id, SIGSTOP);
        waitpid(_id, nullptr, WUNTRACED);
    }

private:
    const pid_t _id;
};

} // namespace

class OutageTest : public ServiceFixture
/// Outages of every kind, as the service lives through them: it warns once, tries again after
/// growing pauses, and when the outage is over it says so and terminates what hung meanwhile.
{
    CPPUNIT_TEST_SUITE(OutageTest);
    CPPUNIT_TEST(bearsAServerThatIsDownAtTheStart);
    CPPUNIT_TEST(bearsAServerThatGoesAwayAndComesBack);
    CPPUNIT_TEST(bearsAServerThatRefuses);
    CPPUNIT_TEST(bearsAServerWithoutConnectionsLeft);
    CPPUNIT_TEST(bearsABlackHole);
    CPPUNIT_TEST(bearsAFrozenServer);
    CPPUNIT_TEST(bearsAStandbyUntilItIsPromoted);
    CPPUNIT_TEST(bearsAFullDisk);
    CPPUNIT_TEST(bearsTheLossOfAPrivilege);
    CPPUNIT_TEST(bearsATableThatIsLockedByAMigration);
    CPPUNIT_TEST(bearsAStatementThatTakesTooLong);
    CPPUNIT_TEST(leavesNoStatementBehindWhenItIsStopped);
    CPPUNIT_TEST_SUITE_END();

    void bearsAServerThatIsDownAtTheStart()
    {
        const std::string job = addHungJob();
        Outage outage(server());
        startServiceWith({});
        expectWarning("connection to server on socket", "", unreachable);
        outage.end();
        reconnect();
        expectRecovery(job);
    }

    void bearsAServerThatGoesAwayAndComesBack()
    {
        const std::string job = addHungJob();
        std::optional<Sim::JobDatabase> worker = lockUp(job);
        startServiceWith({});
        awaitLine("debug: job skipped job_id=" + job);
        Outage outage(server());
        worker.reset();
        expectWarning("connection to ", "", unreachable);
        outage.end();
        reconnect();
        expectRecovery(job);
    }

    void bearsAServerThatRefuses()
    {
        const std::string job = addHungJob();
        HbaRule rule(server(), std::string("local all ") + detectorRole + " reject");
        startServiceWith({});
        expectWarning("pg_hba.conf rejects connection", "28000",
                      "check user and password of Connection in hang_detector.conf, its passfile, and "
                      "pg_hba.conf of the server");
        rule.end();
        expectRecovery(job);
    }

    void bearsAServerWithoutConnectionsLeft()
    {
        const std::string job = addHungJob();
        createRole("crowd");
        std::list<Sim::NotificationListener> crowd;
        try {
            while (true)
                crowd.emplace_back(connectionString("crowd"));
        } catch (const std::runtime_error&) {
            CPPUNIT_ASSERT(crowd.size() > 10);
        }
        startServiceWith({});
        expectWarning("remaining connection slots are reserved", "53300",
                      "no connection is left for the detector's role");
        crowd.clear();
        expectRecovery(job);
    }

    void bearsABlackHole()
    {
        const std::string job = addHungJob();
        StallingProxy proxy(server().directory());
        proxy.fallSilentAtConnection(1);
        startServiceWith({.interval = 6s,
                          .connection = " connect_timeout=1 host=" + proxy.directory().string(),
                          .attempt = 1s});
        expectWarning("no answer within 1s", "", unreachable);
        proxy.endSilence();
        expectRecovery(job);
        stopService(); // before the proxy goes
    }

    void bearsAFrozenServer()
    {
        const std::string job = addHungJob();
        std::optional<Sim::JobDatabase> worker = lockUp(job);
        startServiceWith({.interval = 2s,
                          .connection = " connect_timeout=1",
                          .settings = "RunTimeout=3s\n",
                          .attempt = 4s});
        awaitLine("debug: job skipped job_id=" + job);
        FrozenServer frozen(server());
        expectWarning("RunTimeout of 3s has passed", "", unreachable);
        frozen.thaw();
        worker.reset();
        expectRecovery(job);
    }

    void bearsAStandbyUntilItIsPromoted()
    {
        const std::string job = addHungJob();
        const Standby standby(server());
        startServiceWith({.connection = " host=" + standby.directory().string()});
        expectWarning("session is read-only", "",
                      "the server is a standby or the session is read-only; let Connection name the primary");
        standby.promote();
        expectRecovery(job, connectionString() + " host=" + standby.directory().string());
        stopService(); // before the standby goes
    }

    void bearsAFullDisk()
    {
        const std::string job = addHungJob();
        FullDisk disk(connectionString());
        startServiceWith({});
        expectWarning("No space left on device", "53100", "free space on the disk of the database server");
        disk.free();
        expectRecovery(job);
    }

    void bearsTheLossOfAPrivilege()
    {
        const std::string job = addHungJob();
        database().execute(std::string("REVOKE INSERT (stage) ON provisioner_job_logs FROM ") + detectorRole);
        startServiceWith({});
        expectWarning("permission denied for table provisioner_job_logs", "42501",
                      "run the hang detector's role.sql again");
        applyRoleScript();
        expectRecovery(job);
    }

    void bearsATableThatIsLockedByAMigration()
    {
        const std::string job = addHungJob();
        OpenTransaction migration(connectionString(),
                                  "LOCK TABLE provisioner_job_logs IN ACCESS EXCLUSIVE MODE");
        startServiceWith({.interval = 11s, .attempt = 5s});
        expectWarning("canceling statement due to lock timeout", "55P03",
                      "a table was locked for over five seconds, as by a migration", 2);
        migration.commit();
        expectRecovery(job);
    }

    void bearsAStatementThatTakesTooLong()
    {
        const std::string job = addHungJob();
        slowDownTerminations();
        startServiceWith({.interval = 8s, .settings = "RunTimeout=2s\n", .attempt = 2s});
        expectWarning("RunTimeout of 2s has passed", "57014", "raise RunTimeout");
        database().execute("DROP TRIGGER slow_down ON provisioner_jobs");
        expectRecovery(job);
    }

    void leavesNoStatementBehindWhenItIsStopped()
    {
        // The detector that is stopped can cancel nothing, and its connection stays open.
        const std::string job = addHungJob();
        slowDownTerminations("stopped_detector");
        const ForkedProcess stopped([this] {
            Settings slow = settings();
            slow.runTimeout = 10s;
            slow.connection = ConnectionString::parse(connectionString(detectorRole) +
                                                      " application_name=stopped_detector");
            Poco::NotificationCenter notifications;
            HangDetector(slow, notifications).run({});
        });
        CPPUNIT_ASSERT(eventually(patience, [this] { return isSlowedDown(); }));
        stopped.stop();
        CPPUNIT_ASSERT_EQUAL(1, run().locked);
        std::vector<JobId> terminated;
        CPPUNIT_ASSERT_MESSAGE("the statement holds its locks for ever", eventually(patience, [&] {
                                   terminated = run().terminated;
                                   return !terminated.empty();
                               }));
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, terminated);
        CPPUNIT_ASSERT(!isSlowedDown());
    }

    void startServiceWith(const ServiceOptions& options)
    {
        _options = options;
        writeSettings(connectionString(detectorRole) + options.connection,
                      "Interval=" + std::to_string(options.interval.count()) + '\n' + options.settings);
        startService();
    }

    std::optional<Sim::JobDatabase> lockUp(const std::string& job)
    /// A session of somebody who holds the job, so that no detector terminates it.
    {
        std::optional<Sim::JobDatabase> session(std::in_place, connectionString());
        session->execute("BEGIN");
        session->execute("SELECT id FROM provisioner_jobs WHERE id = '" + job + "' FOR UPDATE");
        return session;
    }

    void slowDownTerminations(const std::string& application = detectorRole)
    /// Of all sessions with this application name.
    {
        database().execute("CREATE FUNCTION slow_down() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF "
                           "current_setting(''application_name'') = ''" +
                           application + "'' THEN PERFORM pg_sleep(600); END IF; RETURN new; END'");
        database().execute("CREATE TRIGGER slow_down BEFORE UPDATE ON provisioner_jobs FOR EACH ROW EXECUTE"
                           " FUNCTION slow_down()");
    }

    bool isSlowedDown() { return testDatabase().isSomebodyWaitingFor("PgSleep"); }

    std::vector<RecordedLine> linesWith(const std::string& start) const
    {
        std::vector<RecordedLine> lines = recorded();
        std::erase_if(lines, [&](const RecordedLine& line) { return !line.text.starts_with(start); });
        return lines;
    }

    static long long numberIn(const RecordedLine& line, const std::string& key)
    {
        const auto at = line.text.find(' ' + key + '=');
        CPPUNIT_ASSERT_MESSAGE(line.text, at != std::string::npos);
        return std::stoll(line.text.substr(at + key.size() + 2));
    }

    struct Run
    {
        Clock::time_point start;
        Clock::time_point end;
    };

    std::vector<Run> runsWith(const std::string& text) const
    {
        std::vector<Run> runs;
        for (const RecordedLine& line : recorded()) {
            if (line.text.find(text) != std::string::npos)
                runs.push_back(
                    {line.time - std::chrono::milliseconds(numberIn(line, "duration_ms")), line.time});
        }
        return runs;
    }

    std::vector<Run> failedRuns() const { return runsWith(": run failed "); }

    void expectOnlyWarning() const
    {
        const std::vector<RecordedLine> warnings = linesWith("warning: ");
        CPPUNIT_ASSERT_EQUAL_MESSAGE(log(), std::size_t{1}, warnings.size());
        CPPUNIT_ASSERT_MESSAGE(log(), linesWith("error: ").empty());
    }

    void expectWarning(const std::string& cause, const std::string& sqlState, const std::string& advice,
                       std::size_t attempts = 3)
    /// The first of so many attempts is warned of, with this cause and advice; no other is.
    {
        if (!eventually(3 * patience, [&] { return failedRuns().size() >= attempts; }))
            CPPUNIT_FAIL(log());
        expectOnlyWarning();
        const RecordedLine warning = linesWith("warning: ").front();
        CPPUNIT_ASSERT(failedRuns().front().end == warning.time);
        for (const std::string& part :
             {std::string("warning: run failed error="), cause, " advice=\"" + advice,
              sqlState.empty() ? std::string(" duration_ms=") : " sqlstate=" + sqlState + ' '})
            CPPUNIT_ASSERT_MESSAGE(part + " is not in " + warning.text,
                                   warning.text.find(part) != std::string::npos);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(warning.text, sqlState.empty(),
                                     warning.text.find(" sqlstate=") == std::string::npos);
    }

    void expectRecovery(const std::string& job) { expectRecovery(job, connectionString()); }

    void expectRecovery(const std::string& job, const std::string& connection)
    /// The outage is over by now. One line says so, and the job that hung meanwhile is terminated in time.
    {
        const auto over = Clock::now();
        awaitLine("information: job terminated job_id=" + job);
        const auto terminated = linesWith("information: job terminated job_id=" + job).front().time;
        CPPUNIT_ASSERT_MESSAGE(log(), terminated - over < _options.interval + _options.attempt + slowMachine);
        Sim::JobDatabase database(connection);
        CPPUNIT_ASSERT(database.isTrue(
            "SELECT completed_at IS NOT NULL FROM provisioner_jobs WHERE id = $1::uuid", job));
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, database.logs(job).size());

        const std::string end = "information: database answers again ";
        awaitLine(end);
        expectOnlyWarning();
        CPPUNIT_ASSERT_EQUAL_MESSAGE(log(), std::size_t{1}, linesWith(end).size());
        const RecordedLine line = linesWith(end).front();
        const std::vector<Run> failed = failedRuns();
        CPPUNIT_ASSERT_EQUAL(static_cast<long long>(failed.size()), numberIn(line, "failed_runs"));
        const std::chrono::seconds told(numberIn(line, "outage_s"));
        CPPUNIT_ASSERT_MESSAGE(log(), std::chrono::abs(line.time - failed.front().end - told) <= 1s + blur);
        expectGrowingPauses(failed);
    }

    void expectGrowingPauses(const std::vector<Run>& failed) const
    /// A pause is twice as long as the one before, less a quarter at most, unless the next run
    /// comes before it is over; it is never longer than the interval. A pause begins when the
    /// log was told, so only the ticks are blurred: at both of their ends. They count from when
    /// a run was due, which on a slow machine is before it began.
    {
        auto least = RetryPause::first * 3 / 4;
        Clock::duration late{0}; // at most, of the run before a pause
        for (std::size_t i = 1; i < failed.size(); ++i) {
            const auto pause = failed[i].start - failed[i - 1].end;
            const auto untilTick =
                PeriodicTask::nextTick(failed[i - 1].start, _options.interval, failed[i - 1].end) -
                failed[i - 1].end;
            const auto expected = std::min<Clock::duration>(least, untilTick - late - 2 * blur);
            CPPUNIT_ASSERT_MESSAGE(log(), pause >= expected);
            CPPUNIT_ASSERT_MESSAGE(log(), pause < _options.interval + slowMachine);
            late = pause - std::max(expected, Clock::duration(0));
            least *= 2;
        }
    }

    static constexpr const char* unreachable =
        "check Connection in hang_detector.conf, the network, and that the database server is up";

    /// What a machine with much else to do may need for something that takes no time.
    static constexpr std::chrono::seconds slowMachine{15};

    /// Between what the log tells and when it was told.
    static constexpr std::chrono::seconds blur{1};

    ServiceOptions _options;
};

CPPUNIT_TEST_SUITE_REGISTRATION(OutageTest);

} // namespace HangDetection::Test
