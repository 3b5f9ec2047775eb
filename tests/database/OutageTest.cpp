#include "DatabaseFaults.h"
#include "OpenTransaction.h"
#include "ServiceFixture.h"
#include "TerminationFaults.h"

#include <csignal>
#include <sys/types.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace HangDetection::Test {

using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

struct OutageRow
/// A fault, and what the service is to be like in it.
{
    std::string fault;
    std::string variant = {};
    bool isMadeAtWork = false;
    /// When the service has connected, and somebody else holds the hung job.
    std::chrono::seconds interval{4};
    /// Longer than the first two pauses, what the attempts between them take, and the blur.
    std::string connection = {};
    /// Further options of the connection string.
    std::string settings = {};
    std::chrono::seconds attempt{0};
    /// How long a run takes that fails.
    std::size_t attempts = 3;
    std::string cause = {};
    /// Where it is not that of the fault.
};

const std::vector<OutageRow>& outages()
{
    static const std::vector<OutageRow> rows{
        {.fault = "aServerThatIsDown"},
        {.fault = "aServerThatIsDown", .variant = "AtWork", .isMadeAtWork = true, .cause = "connection to "},
        {.fault = "aServerThatRefuses"},
        {.fault = "aServerWithoutConnectionsLeft"},
        {.fault = "aSilentConnect",
         .interval = 6s,
         .connection = " connect_timeout=1",
         .attempt = 1s,
         .cause = "no answer within 1s"},
        {.fault = "aFrozenServer",
         .isMadeAtWork = true,
         .interval = 2s,
         .connection = " connect_timeout=1",
         .settings = "RunTimeout=3s\n",
         .attempt = 4s,
         .cause = "RunTimeout of 3s has passed"},
        {.fault = "aStandby"},
        {.fault = "aFullDisk"},
        {.fault = "aMissingPrivilege"},
        {.fault = "aLockOnTheLogs", .interval = 11s, .attempt = 5s, .attempts = 2},
        {.fault = "aStatementThatTakesLong",
         .interval = 8s,
         .settings = "RunTimeout=2s\n",
         .attempt = 2s,
         .cause = "RunTimeout of 2s has passed"},
    };
    return rows;
}

struct GapRow
/// A time in which workers may not have been able to report.
{
    std::string fault;
    std::string variant = {};
};

const std::vector<GapRow>& gaps()
{
    static const std::vector<GapRow> rows{{.fault = "aServerThatIsDown", .variant = "IsNoSilence"},
                                          {.fault = "aSessionThatIsLost", .variant = "IsNoSilence"},
                                          {.fault = "aClockThatIsSetAhead", .variant = "IsNoSilence"},
                                          {.fault = "aProcessThatStoodStill", .variant = "IsNoSilence"}};
    return rows;
}

} // namespace

class OutageTest : public ServiceFixture
/// Outages of every kind, as the service lives through them: it warns once, tries again after
/// growing pauses, and when the outage is over it says so and terminates what hung meanwhile.
{
    TEST_SUITE(OutageTest);

    TEST_FOR_EACH(gaps(), spares)(const GapRow& row)
    /// Jobs whose workers could not report for longer than the threshold. Each gets one threshold, whatever
    /// their number. A job that was hung before does not wait.
    {
        settings().hungJobDuration = 10s;
        settings().interval = 1s;
        prepareClock();
        const std::string hung = addHungJob();
        std::optional<OpenTransaction> holder;
        holder.emplace(connectionString(), "SELECT FROM provisioner_jobs FOR UPDATE");
        database().addJobs(15, {.updatedAgo = "0 seconds"});
        CPPUNIT_ASSERT_EQUAL(1, run().locked);
        if (row.fault == "aServerThatIsDown") {
            holder.reset();
            const FaultSite site{server(), testDatabase(), detectorRole, [this] { applyRoleScript(); }};
            MadeFault down(databaseFault(row.fault), site);
            CPPUNIT_ASSERT(tryRun().error);
            std::this_thread::sleep_for(12s);
            down.now();
        } else if (row.fault == "aSessionThatIsLost") {
            std::this_thread::sleep_for(11s);
            endSessionOfDetector();
        } else if (row.fault == "aClockThatIsSetAhead") {
            database().execute("UPDATE clock.ahead SET time = '20 seconds'");
        } else {
            std::this_thread::sleep_for(13s);
        }
        holder.reset();
        const auto over = Clock::now();
        CPPUNIT_ASSERT_EQUAL(std::vector{hung}, run().terminated);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().gaps.size());
        CPPUNIT_ASSERT(posted().gaps.front() >= 11s && posted().gaps.front() < 60s);
        const RunStatistics later = run();
        CPPUNIT_ASSERT(later.terminated.empty());
        CPPUNIT_ASSERT(later.pause && *later.pause <= 10s);
        std::this_thread::sleep_until(over + 6s);
        CPPUNIT_ASSERT(run().terminated.empty());
        std::this_thread::sleep_until(over + 15s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{10}, run().terminated.size());
    }

    void prepareClock()
    /// The detector's sessions use this function, and not the server's own.
    {
        for (const std::string& sql :
             {std::string("CREATE SCHEMA clock"), std::string("CREATE TABLE clock.ahead (time interval)"),
              std::string("INSERT INTO clock.ahead VALUES ('0')"),
              std::string("CREATE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql AS"
                          " 'SELECT pg_catalog.now() + time FROM clock.ahead'"),
              std::string("GRANT USAGE ON SCHEMA clock TO public"),
              std::string("GRANT SELECT ON clock.ahead TO public"),
              std::string("ALTER ROLE ") + detectorRole + " IN DATABASE " + databaseName() +
                  " SET search_path = clock, public, pg_catalog"})
            database().execute(sql);
    }

    TEST_FOR_EACH(outages(), bears)(const OutageRow& row)
    {
        _row = row;
        const DatabaseFault& fault = databaseFault(row.fault);
        const FaultSite site{server(), testDatabase(), detectorRole, [this] { applyRoleScript(); }};
        const std::string job = addHungJob();
        std::optional<OpenTransaction> holder;
        std::optional<MadeFault> made;
        if (row.isMadeAtWork)
            holder.emplace(connectionString(),
                           "SELECT id FROM provisioner_jobs WHERE id = '" + job + "' FOR UPDATE");
        else
            made.emplace(fault, site);
        const std::string options = row.connection + (made ? made->parts.connection : "");
        writeSettings(connectionString(detectorRole) + options,
                      "Interval=" + std::to_string(row.interval.count()) + '\n' + row.settings);
        startService();
        if (row.isMadeAtWork) {
            awaitLine("debug: job skipped job_id=" + job);
            made.emplace(fault, site);
        }
        expectWarning(fault);
        made->now();
        holder.reset();
        expectRecovery(job, connectionString() + made->parts.connection);
        stopService(); // before what its connection leads through goes
    }

    TEST(leavesNoStatementBehindWhenItIsStopped)
    {
        // The detector that is stopped can cancel nothing, and its connection stays open.
        const std::string job = addHungJob();
        slowDownTerminations(database(), "ROW", "600", "stopped_detector");
        const pid_t stopped = fork(); // while there is only one thread
        if (stopped == 0) {
            try {
                Settings slow = settings();
                slow.runTimeout = 10s;
                slow.connection = ConnectionString::parse(connectionString(detectorRole) +
                                                          " application_name=stopped_detector");
                Poco::NotificationCenter notifications;
                HangDetector(slow, notifications).run({});
            } catch (...) {
                // Its termination is missed below.
            }
            _exit(0);
        }
        CPPUNIT_ASSERT(stopped > 0);
        const std::unique_ptr<const pid_t, void (*)(const pid_t*)> ending(&stopped, [](const pid_t* id) {
            kill(*id, SIGKILL);
            waitpid(*id, nullptr, 0);
        });
        const auto isSlowedDown = [this] { return testDatabase().isSomebodyWaitingFor("PgSleep"); };
        CPPUNIT_ASSERT(eventually(patience, isSlowedDown));
        kill(stopped, SIGSTOP);
        waitpid(stopped, nullptr, WUNTRACED);
        CPPUNIT_ASSERT_EQUAL(1, run().locked);
        std::vector<JobId> terminated;
        CPPUNIT_ASSERT_MESSAGE("the statement holds its locks for ever", eventually(patience, [&] {
                                   terminated = run().terminated;
                                   return !terminated.empty();
                               }));
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, terminated);
        CPPUNIT_ASSERT(!isSlowedDown());
    }

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

    std::vector<Run> failedRuns() const
    {
        std::vector<Run> runs;
        for (const RecordedLine& line : recorded()) {
            if (line.text.find(": run failed ") != std::string::npos)
                runs.push_back(
                    {line.time - std::chrono::milliseconds(numberIn(line, "duration_ms")), line.time});
        }
        return runs;
    }

    void expectOnlyWarning() const
    {
        const std::vector<RecordedLine> warnings = linesWith("warning: ");
        CPPUNIT_ASSERT_EQUAL_MESSAGE(log(), std::size_t{1}, warnings.size());
        CPPUNIT_ASSERT_MESSAGE(log(), linesWith("error: ").empty());
    }

    void expectWarning(const DatabaseFault& fault)
    /// Only the first attempt is warned of, with the cause and the advice.
    {
        if (!eventually(3 * patience, [this] { return failedRuns().size() >= _row.attempts; }))
            CPPUNIT_FAIL(log());
        expectOnlyWarning();
        const RecordedLine warning = linesWith("warning: ").front();
        CPPUNIT_ASSERT(failedRuns().front().end == warning.time);
        for (const std::string& part :
             {std::string("warning: run failed error="), _row.cause.empty() ? fault.cause : _row.cause,
              " advice=\"" + fault.advice,
              fault.sqlState.empty() ? std::string(" duration_ms=") : " sqlstate=" + fault.sqlState + ' '})
            CPPUNIT_ASSERT_MESSAGE(part + " is not in " + warning.text,
                                   warning.text.find(part) != std::string::npos);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(warning.text, fault.sqlState.empty(),
                                     warning.text.find(" sqlstate=") == std::string::npos);
    }

    void expectRecovery(const std::string& job, const std::string& connection)
    /// The outage is over by now. One line says so, and the job that hung meanwhile is terminated in time.
    {
        const auto over = Clock::now();
        awaitLine("information: job terminated job_id=" + job);
        const auto terminated = linesWith("information: job terminated job_id=" + job).front().time;
        CPPUNIT_ASSERT_MESSAGE(log(), terminated - over < _row.interval + _row.attempt + slowMachine);
        Sim::JobDatabase database(connection);
        CPPUNIT_ASSERT(database.isCompleted(job));
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
                PeriodicTask::nextTick(failed[i - 1].start, _row.interval, failed[i - 1].end) -
                failed[i - 1].end;
            const auto expected = std::min<Clock::duration>(least, untilTick - late - 2 * blur);
            CPPUNIT_ASSERT_MESSAGE(log(), pause >= expected);
            CPPUNIT_ASSERT_MESSAGE(log(), pause < _row.interval + slowMachine);
            late = pause - std::max(expected, Clock::duration(0));
            least *= 2;
        }
    }

    /// What a machine with much else to do may need for something that takes no time.
    static constexpr std::chrono::seconds slowMachine{15};

    /// Between what the log tells and when it was told.
    static constexpr std::chrono::seconds blur{1};

    OutageRow _row;
};

} // namespace HangDetection::Test
