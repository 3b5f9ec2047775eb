#include "Count.h"
#include "HeldTerminations.h"
#include "MetricsText.h"
#include "Printing.h"
#include "Rounds.h"
#include "SimulatorFixture.h"

#include <Poco/Format.h>
#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

namespace HangDetection::Test {

class SimulatorTest : public SimulatorFixture
{
    CPPUNIT_TEST_SUITE(SimulatorTest);
    CPPUNIT_TEST(showsTerminations);
    CPPUNIT_TEST(showsWhatADryRunWouldDo);
    CPPUNIT_TEST(endsAfterItsRunsOrItsDuration);
    CPPUNIT_TEST(endsWithAnError);
    CPPUNIT_TEST(stopsARunThatIsInProgress);
    CPPUNIT_TEST(exitsWithoutFiniWhileTheDetectorIsBusy);
    CPPUNIT_TEST(keepsTheMetricsOfTwoClustersApart);
    CPPUNIT_TEST(explainsItself);
    CPPUNIT_TEST(refusesOptionsThatItDoesNotKnow);
    CPPUNIT_TEST_SUITE_END();

    using Clock = std::chrono::steady_clock;

    void showsTerminations()
    /// Of a hung job, and of a pending one.
    {
        useSettings("Interval=1\nPendingJobDuration=30m\n");
        const std::string hung = database().addJob();
        const std::string pending =
            database().addJob({.startedAgo = std::nullopt, .updatedAgo = "31 minutes"});
        const auto result = simulate({"--runs=1"});
        assertStatus(0, result);
        assertContains("job_submit/hang_detector: started", result);
        const std::string line = "job_submit/hang_detector: job terminated job_id=" + hung +
                                 " reason=hung type=template_version_import silent_s=";
        assertContains(line, result);
        const int silent = std::stoi(result.output.substr(result.output.find(line) + line.size()));
        CPPUNIT_ASSERT(silent >= 301 && silent < 360);
        assertContains(line + std::to_string(silent) + " threshold_s=300 stage=Unknown state=none\n", result);
        assertContains("job_submit/hang_detector: job terminated job_id=" + pending +
                           " reason=pending type=template_version_import silent_s=18",
                       result);
        assertContains(" threshold_s=1800 stage=Unknown state=none\n", result);
        assertContains("job_submit/hang_detector: run finished terminated=2 hung=1 pending=1 locked=0 "
                       "ineligible=0 failed=0",
                       result);
        for (const std::string& job : {hung, pending})
            CPPUNIT_ASSERT(
                database().isTrue("SELECT error IS NOT NULL FROM provisioner_jobs WHERE id = $1::uuid", job));
    }

    void showsWhatADryRunWouldDo()
    {
        useSettings("Interval=1\nDryRun=yes\nPendingJobDuration=30m\n");
        const std::string hung = database().addJob();
        database().addLog(hung, "Parsing");
        const std::string pending =
            database().addJob({.startedAgo = std::nullopt, .updatedAgo = "31 minutes"});
        const std::string failing = database().addJob({.type = "workspace_build"});
        const auto result = simulate({"--runs=3"});
        assertStatus(0, result);
        const auto expectOnce = [&](const std::string& line) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, std::size_t{1},
                                         count(result.output, "job_submit/hang_detector: " + line));
        };
        expectOnce("would terminate job_id=" + hung + " reason=hung type=template_version_import silent_s=3");
        assertContains(" threshold_s=300 stage=Parsing state=none\n", result);
        expectOnce("would terminate job_id=" + pending +
                   " reason=pending type=template_version_import silent_s=18");
        assertContains(" threshold_s=1800 stage=Unknown state=none\n", result);
        expectOnce("job not terminated job_id=" + failing + " error=");
        // On a slow machine one more begins before the simulator has seen the third.
        CPPUNIT_ASSERT_MESSAGE(
            result.output,
            count(result.output, "job_submit/hang_detector: run finished would_terminate=2 hung=2 pending=1 "
                                 "locked=0 ineligible=0 failed=1 duration_ms=") >= 3);
        assertLacks("job terminated", result.output);
        CPPUNIT_ASSERT_EQUAL(
            std::string("3 jobs, 1 line"),
            database()
                .value("SELECT count(*) || ' jobs, ' || (SELECT count(*) FROM provisioner_job_logs)"
                       " || ' line' FROM provisioner_jobs WHERE completed_at IS NULL")
                .value());
    }

    void endsAfterItsRunsOrItsDuration()
    /// Runs that had nothing to do count as well, and are shown when that is asked for.
    {
        const auto result = simulate({"--runs=3"});
        assertStatus(0, result);
        assertLacks("run finished", result.output);
        assertContains("debug:  job_submit/hang_detector: run finished terminated=0 hung=0 locked=0 "
                       "ineligible=0 failed=0",
                       simulate({"--runs=1", "--verbose"}));
        const auto start = Clock::now();
        assertStatus(0, simulate({"--duration=2"}));
        CPPUNIT_ASSERT(Clock::now() - start >= std::chrono::seconds(2));
    }

    void endsWithAnError()
    /// When there were too few runs, or one failed.
    {
        useSettings("Interval=1h\n");
        assertFailed(" of 2 runs\n", simulate({"--runs=2", "--duration=1"}));
        directory().write("hang_detector.conf", "Connection=host=/nowhere\nInterval=1\n");
        assertFailed("job_submit/hang_detector: run failed error=\"connection to server on socket",
                     simulate({"--runs=1", "--exit-without-fini"}));
        useSettings("Interval=1\n");
        database().execute("DROP TABLE workspace_builds");
        database().addJob();
        assertFailed(
            "error: job_submit/hang_detector: run failed error=\"relation \\\"workspace_builds\\\" does not "
            "exist\" sqlstate=42P01 advice=",
            simulate({"--runs=2"}));
    }

    void stopsARunThatIsInProgress()
    /// By fini, and by an exit without. The statement is canceled: a server does not see that its client
    /// has gone, and would go on with it.
    {
        database().addJob();
        const HeldTerminations held(database());
        for (int i = 0; i < 6; ++i) {
            const bool withFini = i == 0;
            const auto start = Clock::now();
            const auto result = simulate({"--duration=1", withFini ? "--verbose" : "--exit-without-fini"});
            assertStatus(0, result);
            if (withFini)
                assertContains("job_submit/hang_detector: run stopped", result);
            // One second of --duration, two for the stop, and a slow machine.
            CPPUNIT_ASSERT(Clock::now() - start < std::chrono::seconds(30));
            await([this] {
                return database().isTrue("SELECT NOT EXISTS (SELECT FROM pg_stat_activity"
                                         " WHERE datname = $1 AND pid <> pg_backend_pid())",
                                         databaseName());
            });
        }
    }

    void exitsWithoutFiniWhileTheDetectorIsBusy()
    {
        constexpr int jobCount = 10000;
        // What a batch did is logged before the end, in the two seconds that the end waits.
        useSettings("Interval=1\nMaxJobsPerRun=" + std::to_string(rounds(1000)) + "\nMassHangRatio=0\n");
        database().addJobs(jobCount);
        const auto completed = [this] {
            return std::stoi(database().value("SELECT count(completed_at) FROM provisioner_jobs").value());
        };
        for (int i = 0; i < 3; ++i) {
            const int before = completed();
            startHost(simulator({"--exit-without-fini"}));
            await([&] { return completed() > before; });
            kill(host().id(), SIGTERM);
            expectEndOfHost(0);
        }
        // It was busy at each end.
        CPPUNIT_ASSERT(completed() < jobCount);
        // Whatever was cut off was terminated completely or not at all.
        CPPUNIT_ASSERT_EQUAL(
            std::string("0"),
            database()
                .value("SELECT count(*) FROM provisioner_jobs j WHERE (completed_at IS NULL)"
                       " <> NOT EXISTS (SELECT FROM provisioner_job_logs l WHERE l.job_id = j.id)")
                .value());
    }

    std::string metricsOfCluster(const std::string& cluster)
    {
        const std::string file = "hang_detector_" + cluster + ".prom";
        usePlugin(std::filesystem::path(PLUGIN).parent_path().string(), cluster);
        useSettings("Interval=1\nMetricsFile=" + (directory().path() / file).string() + '\n');
        assertStatus(0, simulate({"--runs=1"}));
        return directory().read(file);
    }

    void keepsTheMetricsOfTwoClustersApart()
    {
        const std::string alpha = metricsOfCluster("alpha");
        const std::string beta = metricsOfCluster("beta");
        CPPUNIT_ASSERT_EQUAL(seriesIn(alpha).size(), seriesIn(beta).size());
        CPPUNIT_ASSERT(!seriesIn(alpha).empty());
        CPPUNIT_ASSERT_EQUAL(std::vector<std::string>(), sharedSeries(alpha, beta));
    }

    void explainsItself()
    {
        const auto help = Sim::runCommand({SIMULATOR, "--help"});
        assertStatus(0, help);
        for (const char* const option :
             {"--slurm-conf", "--duration", "--runs", "--exit-without-fini", "--load-cycles", "--demo",
              "--keep", "--verbose", "--help", "--version"})
            assertContains(option, help);
        const auto version = Sim::runCommand({SIMULATOR, "--version"});
        assertStatus(0, version);
        assertContains("hang-detector-sim " PROJECT_VERSION " (Slurm ", version);
    }

    void refusesOptionsThatItDoesNotKnow()
    {
        constexpr int usage = 64;
        const auto refuses = [](const Sim::CommandLine& options, const std::string& expected) {
            Sim::CommandLine command{SIMULATOR};
            command.insert(command.end(), options.begin(), options.end());
            const auto result = Sim::runCommand(command);
            assertStatus(usage, result);
            assertContains(expected, result);
            assertContains("see hang-detector-sim --help", result);
        };
        refuses({}, "either --demo or --slurm-conf FILE is needed");
        refuses({"--nonsense"}, "nonsense");
        refuses({"--demo", "--slurm-conf=x"}, "either --demo or --slurm-conf FILE is needed");
        refuses({"--demo", "--runs=1"}, "--runs goes with --slurm-conf");
        refuses({"--slurm-conf=x", "--keep"}, "--keep goes with --demo");
        refuses({"--slurm-conf=x", "--load-cycles=1", "--runs=1"}, "--runs does not go with --load-cycles");
        for (const std::string option : {"runs", "duration", "load-cycles"}) {
            for (const std::string number : {"0", "-1"})
                refuses({"--slurm-conf=x", Poco::format("--%s=%s", option, number)},
                        Poco::format("argument for %s must be in range 1 to 2147483647", option));
            for (const std::string number : {"soon", "1x", "1.5", "0x10", "2147483648"})
                refuses({"--slurm-conf=x", Poco::format("--%s=%s", option, number)},
                        Poco::format("argument for %s must be an integer", option));
        }
        refuses({"--slurm-conf=x", "--runs"}, "runs requires N");
        refuses({"--demo=x"}, "Unexpected option argument: demo");
        refuses({"--slurm-conf=x", "more"}, "unexpected argument more");
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SimulatorTest);

} // namespace HangDetection::Test
