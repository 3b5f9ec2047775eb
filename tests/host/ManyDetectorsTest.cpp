#include "CoderDetector.h"
#include "Figure.h"
#include "JobsUnderFault.h"
#include "OpenTransaction.h"
#include "SimulatorFixture.h"

#include <algorithm>
#include <future>
#include <list>

namespace HangDetection::Test {

class ManyDetectorsTest : public SimulatorFixture
/// Several processes with the plugin on one database, as the controllers of several
/// clusters are, and Coder's own detectors beside them.
{
    TEST_SUITE(ManyDetectorsTest);

public:
    void tearDown() override
    {
        _processes.clear();
        _coders.clear();
        SimulatorFixture::tearDown();
    }

private:
    using Clock = std::chrono::steady_clock;

    TEST(terminateEachJobOnce) { terminateAll(); }

    // Not both at once: Coder's two kinds of lock do not exclude each other.
    TEST(terminateEachJobOnceBesideCodersThatTakeAdvisoryLocks)
    {
        terminateAllBeside(CoderDetector::Era::year2023);
    }

    TEST(terminateEachJobOnceBesideCodersThatLockRows) { terminateAllBeside(CoderDetector::Era::year2026); }

    void terminateAllBeside(CoderDetector::Era era)
    {
        for (int i = 0; i < coderCount; ++i)
            _coders.emplace_back(connectionString(), era);
        terminateAll();

        std::size_t terminated = 0;
        int locked = 0;
        int ineligible = 0;
        for (const CoderDetector& coder : _coders) {
            terminated += coder.terminated().size();
            locked += coder.locked();
            ineligible += coder.ineligible();
        }
        figure() << "of these by " << coderCount << " of Coder's: " << terminated << "; " << locked
                 << " skipped as locked, " << ineligible << " as ineligible\n";
        // Otherwise the two sides have not met.
        CPPUNIT_ASSERT(terminated >= fairShare && terminated <= jobCount - fairShare);
        CPPUNIT_ASSERT(locked + ineligible > 0);
    }

    void terminateAll()
    {
        useSettings("Interval=1\nMaxJobsPerRun=50\nMassHangRatio=0\n");
        startProcesses();
        JobsUnderFault jobs(connectionString(), {.detectors = {"hang detector", "the reaper"}});
        // All of them at once, the first builds of their workspaces with the jobs of all other kinds.
        jobs.session().execute("BEGIN");
        for (int i = 0; i < firstBuilds; ++i)
            jobs.session().addBuildJob({}, {});
        jobs.topUp(jobCount - firstBuilds);
        const int rounds = runUntilNothingIsHung();
        const std::string logs = stopProcesses();

        std::vector<std::string> terminated = jobsIn(logs);
        for (const CoderDetector& coder : _coders)
            terminated.insert(terminated.end(), coder.terminated().begin(), coder.terminated().end());
        std::sort(terminated.begin(), terminated.end());
        const std::size_t locked = count(logs, " cause=locked\n");
        const std::size_t ineligible = count(logs, " cause=completed\n");
        figure() << processCount << " processes, " << terminated.size() << " terminations of " << jobCount
                 << " jobs in " << rounds << " rounds; " << locked << " skipped as locked, " << ineligible
                 << " as completed\n";

        const auto judged = jobs.terminatedCompletely();
        CPPUNIT_ASSERT_EQUAL(std::size_t{jobCount}, judged.size());
        CPPUNIT_ASSERT(std::vector<std::string>(judged.begin(), judged.end()) == terminated);
        // On a busy machine the gate may be shut for longer than a statement waits for it.
        CPPUNIT_ASSERT_EQUAL(count(logs, "sqlstate=55P03"), count(logs, "run failed"));
        assertLacks("job not terminated", logs);
        // Otherwise they have not competed.
        CPPUNIT_ASSERT(locked + ineligible > 0);
    }

    void startProcesses()
    /// All of them are connected when this returns.
    {
        for (int i = 0; i < processCount; ++i)
            _processes.emplace_back(simulator({"--verbose"}), directory().path() / logOf(i));
        await([this] { return areAll("true"); }, patience);
    }

    int runUntilNothingIsHung()
    /// Returns the number of rounds. In each, all processes have made their choice, and all
    /// of Coder's detectors hold their first job, before the first of them may go on: the
    /// search does not read the logs, which this keeps locked until then.
    {
        const auto until = Clock::now() + patience;
        int rounds = 0;
        while (isAnyHung()) {
            CPPUNIT_ASSERT(Clock::now() < until);
            ++rounds;
            std::vector<std::future<void>> runs;
            OpenTransaction gate(connectionString(),
                                 "LOCK TABLE provisioner_job_logs IN SHARE ROW EXCLUSIVE MODE");
            for (CoderDetector& coder : _coders)
                runs.push_back(std::async(std::launch::async, [&coder] { coder.run(); }));
            // Those that are late come without the others; a wait for a lock ends after five seconds.
            eventually(std::chrono::seconds(3),
                       [this] { return areAll("wait_event_type = 'Lock'") || !isAnyHung(); });
            gate.commit();
            for (auto& run : runs)
                run.get();
        }
        return rounds;
    }

    std::string stopProcesses()
    /// Returns what they have logged.
    {
        std::string logs;
        int number = 0;
        for (ChildProcess& process : _processes) {
            const int status = process.stop(patience);
            const std::string log = directory().read(logOf(number++));
            CPPUNIT_ASSERT_EQUAL_MESSAGE(log, 0, status);
            CPPUNIT_ASSERT_MESSAGE(log, !jobsIn(log).empty());
            logs += log;
        }
        return logs;
    }

    static std::vector<std::string> jobsIn(const std::string& log)
    /// The job of each line about a termination.
    {
        constexpr std::size_t idLength = 36;
        const std::string text = "job terminated job_id=";
        std::vector<std::string> jobs;
        for (auto at = log.find(text); at != std::string::npos; at = log.find(text, at + 1))
            jobs.push_back(log.substr(at + text.size(), idLength));
        return jobs;
    }

    bool areAll(const std::string& condition)
    /// Whether the sessions of all processes are in this condition of pg_stat_activity.
    {
        return database().isTrue("SELECT count(*) = " + std::to_string(processCount) +
                                     " FROM pg_stat_activity WHERE datname = $1"
                                     " AND application_name = 'hang_detector' AND " +
                                     condition,
                                 databaseName());
    }

    bool isAnyHung()
    {
        return database().isTrue("SELECT EXISTS (SELECT FROM provisioner_jobs WHERE completed_at IS NULL"
                                 " AND started_at IS NOT NULL AND updated_at < now() - $1::interval)",
                                 "5 minutes");
    }

    static std::string logOf(int number) { return "detector-" + std::to_string(number); }

    static constexpr int processCount = 5;
    static constexpr int coderCount = 4;
    static constexpr int jobCount = 1000;
    static constexpr int firstBuilds = jobCount / 8;
    static constexpr std::size_t fairShare = jobCount / 25;

    /// Far more than all of it takes, even with sanitizers on a machine with much else to do.
    static constexpr std::chrono::seconds patience{90};

    std::list<ChildProcess> _processes;
    std::list<CoderDetector> _coders;
};

} // namespace HangDetection::Test
