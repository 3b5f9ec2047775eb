#include "Rounds.h"
#include "SimulatorFixture.h"

#include <csignal>

namespace HangDetection::Test {

class SimulatorTest : public SimulatorFixture
{
    TEST_SUITE(SimulatorTest);

    using Clock = std::chrono::steady_clock;

    TEST(showsTerminations)
    {
        const std::string job = database().addJob();
        const auto result = simulate({"--runs=1"});
        assertStatus(0, result);
        assertContains("job_submit/hang_detector: started", result);
        assertContains("job_submit/hang_detector: job terminated job_id=" + job, result);
        assertContains("job_submit/hang_detector: run finished terminated=1 hung=1", result);
        CPPUNIT_ASSERT(isCompleted(job));
    }

    TEST(saysWhatItIsAboutToChange)
    /// The metrics are slurmctld's.
    {
        const auto metrics = directory().path() / "m.prom";
        const std::string warning =
            "this is no dry run: it terminates hung jobs in the database " + databaseName();
        useSettings("Interval=1\nMetricsFile=" + metrics.string() + '\n');
        auto result = simulate({"--runs=1"});
        assertContains(warning, result);
        assertContains("metrics file is left to slurmctld path=" + metrics.string(), result);
        CPPUNIT_ASSERT(!std::filesystem::exists(metrics));
        assertLacks("warning: this is root", result.output);
        useSettings("Interval=1\nDryRun=yes\n");
        directory().write("slurm.conf", directory().read("slurm.conf") + "SlurmUser=slurm\n");
        result = simulate({"--runs=1"});
        assertLacks(warning, result.output);
        if (geteuid() == 0)
            assertContains("warning: this is root, but slurmctld connects and reads its files as slurm: use "
                           "sudo -u slurm",
                           result);
    }

    TEST(endsAfterItsRunsOrItsDuration)
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

    TEST(endsWithAnError)
    /// When there were too few runs, or one failed.
    {
        useSettings("Interval=1h\n");
        assertFailed(" of 2 runs\n", simulate({"--runs=2", "--duration=1"}));
        useSettings("Interval=\u202e1\xc2\x9b\n");
        assertFailed(R"(Interval: '\xe2\x80\xae1\xc2\x9b' is not a duration)", simulate({"--runs=1"}));
        directory().write("hang_detector.conf", "Connection=host=/nowhere\nInterval=1\n");
        assertFailed("job_submit/hang_detector: run failed error=\"connection to server on socket",
                     simulate({"--runs=1", "--exit-without-fini"}));
    }

    TEST(exitsWithoutFiniWhileTheDetectorIsBusy)
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

    TEST(saysItsVersion)
    {
        const auto version = Sim::runCommand({SIMULATOR, "--version"});
        assertStatus(0, version);
        assertContains("hang-detector-sim " HANG_DETECTOR_VERSION " (Slurm ", version);
    }

    TEST(printsItsHelp)
    {
        for (const char* const option : {"-h", "--help"}) {
            const auto help = Sim::runCommand({SIMULATOR, option});
            assertStatus(0, help);
            assertContains("usage: hang-detector-sim --check | --demo | --slurm-conf FILE", help);
        }
    }

    TEST(refusesOptionsThatItDoesNotKnow)
    {
        constexpr int usage = 2;
        const auto refuses = [](const Sim::CommandLine& options, const std::string& expected) {
            Sim::CommandLine command{SIMULATOR};
            command.insert(command.end(), options.begin(), options.end());
            const auto result = Sim::runCommand(command);
            assertStatus(usage, result);
            assertContains(expected, result);
            assertContains("see hang-detector-sim --help", result);
        };
        refuses({}, "either --check, --demo or --slurm-conf FILE is needed");
        refuses({"--nonsense"}, "nonsense");
        refuses({"--demo", "--slurm-conf=x"}, "either --check, --demo or --slurm-conf FILE is needed");
        refuses({"--demo", "--runs=1"}, "--runs goes with --slurm-conf");
        refuses({"--slurm-conf=x", "--keep"}, "--keep goes with --demo");
        refuses({"--check", "--runs=1"}, "--runs does not go with --check");
        refuses({"--demo", "--json"}, "--json goes with --check");
        refuses({"--slurm-conf=x", "--load-cycles=1", "--runs=1"}, "--runs does not go with --load-cycles");
        for (const std::string option : {"runs", "duration", "load-cycles"}) {
            refuses({"--slurm-conf=x", "--" + option + "=0"},
                    "argument for " + option + " must be in range 1 to 2147483647");
            refuses({"--slurm-conf=x", "--" + option + "=1x"},
                    "argument for " + option + " must be an integer");
        }
        refuses({"--slurm-conf=x", "--runs"}, "runs requires N");
        refuses({"--demo=x"}, "Unexpected option argument: demo");
        refuses({"--slurm-conf=x", "more"}, "unexpected argument more");
    }
};

} // namespace HangDetection::Test
