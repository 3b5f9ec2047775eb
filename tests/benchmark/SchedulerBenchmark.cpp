#include "SchedulerBenchmark.h"

#include "BenchmarkDatabase.h"
#include "Eventually.h"
#include "RandomMoments.h"
#include "Readings.h"
#include "SlurmCluster.h"

#include <Poco/String.h>

#include <cerrno>
#include <exception>
#include <initializer_list>
#include <iostream>
#include <iterator>
#include <sched.h>
#include <stdexcept>
#include <stop_token>
#include <system_error>

namespace HangDetection::Benchmark {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

/// The columns of the table: what slurmctld is measured with.
enum class Setting
{
    alone,
    beside,
    inside
};

constexpr std::array settings{Setting::alone, Setting::beside, Setting::inside};

constexpr int queuedJobs = 5000;
constexpr int timedJobs = 100;

/// The time of one measurement, over which the timed jobs are spread.
constexpr std::chrono::seconds duration{20};

/// How long slurmctld or a detector may take to get going on a machine that is very busy.
constexpr std::chrono::seconds patience{60};

constexpr const char* timedJob = "timed";

/// Slurm's defaults, but for how often: both schedulers begin a second after they ended, the
/// main one looks at the whole queue, and no cycle of the other is cut off by its time.
constexpr const char* oftenScheduled =
    "sched_interval=1,default_queue_depth=10000,bf_interval=1,bf_max_time=60";

/// While the queue is filled nothing is scheduled.
constexpr const char* seldomScheduled = "defer,sched_interval=3600,bf_interval=3600";

double milliseconds(Clock::duration time)
{
    return std::chrono::duration<double, std::milli>(time).count();
}

enum class Half
/// Of the processors. Together they are two machines in one.
{
    slurm,
    database /// and all that works with it
};

void useProcessors(Half half, bool areShared)
/// Has this thread, and what it starts from then on, run on that half. Changes nothing when the
/// processors are shared, or when there is a single one.
{
    if (areShared)
        return;
    static const cpu_set_t all = [] {
        cpu_set_t set;
        CPU_ZERO(&set);
        sched_getaffinity(0, sizeof set, &set);
        return set;
    }();
    const int count = CPU_COUNT(&all);
    cpu_set_t chosen;
    CPU_ZERO(&chosen);
    int seen = 0;
    for (std::size_t processor = 0; processor < CPU_SETSIZE; ++processor) {
        if (CPU_ISSET(processor, &all) && (count == 1 || (seen++ < count / 2) == (half == Half::slurm)))
            CPU_SET(processor, &chosen);
    }
    if (sched_setaffinity(0, sizeof chosen, &chosen) != 0)
        throw std::system_error(errno, std::generic_category(), "processors cannot be chosen");
}

/// The most that the detector can be told to take.
constexpr int jobsPerRun = 10000;

void feed(const std::stop_token& stop, Sim::JobDatabase& database)
/// Keeps hung jobs coming, so that a detector always has a full run to do.
{
    // A run of so many jobs takes longer, and each look costs the server a little.
    constexpr std::chrono::milliseconds pause{200};
    const std::string twoRuns = "SELECT 1 FROM provisioner_jobs WHERE started_at IS NOT NULL"
                                " AND completed_at IS NULL OFFSET " +
                                std::to_string(2 * jobsPerRun - 1) + " LIMIT 1";
    try {
        while (!stop.stop_requested()) {
            if (database.value(twoRuns))
                std::this_thread::sleep_for(pause);
            else
                database.addJobs(jobsPerRun);
        }
    } catch (const std::exception& exception) {
        std::cerr << "no more hung jobs: " << exception.what() << '\n';
    }
}

class SchedulerBenchmark
/// Fills the queue and measures. The calling thread is on Slurm's half of the processors.
{
public:
    SchedulerBenchmark(int rounds, bool isDatabaseHere, const Sim::ThrowawayPostgres& server,
                       Test::SlurmCluster& cluster)
        : _rounds(rounds), _isDatabaseHere(isDatabaseHere), _server(server), _cluster(cluster)
    {}

    Report run()
    {
        const std::string rounds = std::to_string(_rounds);
        occupyNode();
        fillQueue();
        _cluster.configure("SchedulerParameters", oftenScheduled);
        for (int round = 0; round < _rounds; ++round) {
            showProgress("scheduler: round " + std::to_string(round + 1) + " of " + rounds);
            // Each round begins with another setting.
            for (std::size_t turn = 0; turn < settings.size(); ++turn)
                measure(settings.at((turn + static_cast<std::size_t>(round)) % settings.size()));
        }
        measureQuestions();

        _report.addFact("figures", "median (least to most) of " + rounds + " rounds of " +
                                       std::to_string(duration.count()) + " s, in alternation; " +
                                       std::to_string(timedJobs) + " sbatch commands in each");
        _report.addFact("PostgreSQL and its load",
                        _isDatabaseHere
                            ? "on the processors of slurmctld, too"
                            : "on half of the processors, with the detector beside; Slurm on the other half");
        _report.addFact("processors", std::to_string(std::thread::hardware_concurrency()));
        return _report;
    }

private:
    void occupyNode()
    /// A job that never ends has the only processor of the only node; the others wait for it.
    {
        // Jobs that were cancelled are soon forgotten.
        _cluster.configure("MinJobAge", "2");
        // Twice as many jobs are queued in the end.
        _cluster.configure("MaxJobCount", std::to_string(3 * queuedJobs));
        _cluster.configure("JobSubmitPlugins", "");
        _cluster.startController();
        _cluster.startNode();
        _cluster.waitForState(_cluster.submit("sleep 8640000", {"--time=100-0"}), "RUNNING");
        _cluster.stopController(patience);
    }

    void fillQueue()
    /// With more jobs, by four sbatch commands at once. Then the controller is stopped again.
    {
        showProgress("submitting " + grouped(queuedJobs) + " jobs to Slurm");
        _cluster.configure("JobSubmitPlugins", "");
        _cluster.configure("SchedulerParameters", seldomScheduled);
        _cluster.startController();
        Sim::CommandLine submitAll{"sh", "-c", R"(seq "$0" | xargs --max-procs=4 -I {} "$@")",
                                   std::to_string(queuedJobs)};
        std::ranges::copy(submission("queued"), std::back_inserter(submitAll));
        _cluster.run(submitAll);
        _cluster.stopController(patience);
    }

    Sim::CommandLine submission(const std::string& name) const
    {
        return {"sbatch",
                "--quiet",
                "--job-name=" + name,
                "--time=10",
                "--output=/dev/null",
                "--chdir=" + _cluster.directory().string(),
                "--wrap=true"};
    }

    void measure(Setting setting)
    {
        _cluster.configure("JobSubmitPlugins", setting == Setting::inside ? "hang_detector" : "");
        if (setting == Setting::alone) {
            takeFigures(setting, fs::path());
            return;
        }
        {
            useProcessors(Half::database, _isDatabaseHere);
            BenchmarkDatabase database(_server, "scheduler");
            database.addSearchIndex();
            Sim::JobDatabase jobs(database.connectionString());
            jobs.addJobs(2 * jobsPerRun);
            const std::jthread feeder(feed, std::ref(jobs));
            database.settle();
            // A run every second, of as many jobs as it may have, all of which hang here.
            const std::string settingsText =
                "Connection=" + database.connectionString() +
                "\nInterval=1\nMassHangRatio=0\nMaxJobsPerRun=" + std::to_string(jobsPerRun) + "\n";
            if (setting == Setting::beside) {
                const Test::TemporaryDirectory directory;
                const Test::ChildProcess detector = startDetector(settingsText, directory);
                useProcessors(Half::slurm, _isDatabaseHere);
                takeFigures(setting, directory.path() / "log");
            } else {
                useProcessors(Half::slurm, _isDatabaseHere);
                _cluster.writeSettings(settingsText);
                takeFigures(setting, slurmctldLog());
            }
        }
        // What it leaves behind to be vacuumed is not for the next one.
        Test::LibpqSession(_server.connectionString("postgres")).execute("DROP DATABASE scheduler");
    }

    static Test::ChildProcess startDetector(const std::string& settingsText,
                                            const Test::TemporaryDirectory& directory)
    /// The plugin in the simulator, in a process of its own.
    {
        directory.write("hang_detector.conf", settingsText);
        const std::string plugins = fs::path(HANG_DETECTOR_PLUGIN).parent_path();
        const fs::path slurmConf = directory.write("slurm.conf", "ClusterName=test\nPluginDir=" + plugins +
                                                                     "\nJobSubmitPlugins=hang_detector\n");
        return Test::ChildProcess({SIMULATOR, "--slurm-conf=" + slurmConf.string()},
                                  directory.path() / "log");
    }

    void takeFigures(Setting setting, const fs::path& detectorLog)
    /// While a detector works and writes that log, unless slurmctld is alone.
    {
        _cluster.startController();
        // The node says that it is there when it is asked to; before that there is nothing to schedule.
        _cluster.reconfigure();
        waitUntilAtWork(setting, detectorLog);
        const auto plugin = [&] { return threadMillisecondsOf(_cluster.controller(), "hang_detector"); };
        const auto terminated = [&] { return DetectorWork::read(detectorLog).terminated; };
        _cluster.run({"sdiag", "--reset"});
        const auto start = Clock::now();
        const double pluginBefore = plugin();
        const int terminatedBefore = terminated();
        const Samples sbatch = timeSbatch(start);
        std::this_thread::sleep_until(start + duration);
        const std::string sdiag = _cluster.run({"sdiag"});
        const double pluginShare = (plugin() - pluginBefore) / milliseconds(Clock::now() - start);
        const int terminatedMeanwhile = terminated() - terminatedBefore;
        cancelTimedJobs();
        _cluster.stopController(patience);

        add(setting,
            {{"sbatch, ms", median(sbatch)},
             {"main scheduler, mean cycle, us", valueIn(sdiag, Scheduler::main, "Mean cycle")},
             {"backfill scheduler, mean cycle, us", valueIn(sdiag, Scheduler::backfill, "Mean cycle")},
             {"plugin's thread, % of a processor", 100 * pluginShare},
             {"jobs terminated meanwhile", terminatedMeanwhile}});
    }

    void add(Setting setting, std::initializer_list<std::pair<const char*, double>> figures)
    {
        for (const auto& [name, value] : figures)
            _report.row(name).of(setting).push_back(value);
    }

    void waitUntilAtWork(Setting setting, const fs::path& detectorLog) const
    {
        const auto isAtWork = [&] {
            // The schedulers have a look only when something happens.
            _cluster.run(submission(timedJob));
            std::this_thread::sleep_for(200ms);
            const std::string sdiag = _cluster.run({"sdiag"});
            return Poco::trim(_cluster.run({"sinfo", "--noheader", "--format=%T"})) == "allocated" &&
                   valueIn(sdiag, Scheduler::main, "Total cycles") > 0 &&
                   valueIn(sdiag, Scheduler::backfill, "Total cycles") > 0 &&
                   (setting == Setting::alone || DetectorWork::read(detectorLog).runs > 0);
        };
        if (!Test::eventually(patience, isAtWork))
            throw std::runtime_error(
                "not at work after a minute, a scheduler or the detector, which has made " +
                std::to_string(DetectorWork::read(detectorLog).runs) + " runs:\n" + _cluster.run({"sdiag"}));
        cancelTimedJobs();
    }

    void cancelTimedJobs() const { _cluster.run({"scancel", std::string("--name=") + timedJob}); }

    Samples timeSbatch(Clock::time_point start) const
    /// In milliseconds. They come one by one, all over the time, and not in step with runs and cycles,
    /// which come once a second.
    {
        Samples samples;
        Test::RandomMoments moments([] { return duration; }, timedJobs, 0);
        for (int i = 0; i < timedJobs; ++i) {
            std::this_thread::sleep_until(start + moments.next());
            const auto before = Clock::now();
            _cluster.run(submission(timedJob));
            samples.push_back(milliseconds(Clock::now() - before));
        }
        return samples;
    }

    fs::path slurmctldLog() const { return _cluster.directory() / "run/slurmctld.log"; }

    void measureQuestions()
    /// What it costs a run to ask Slurm for the allocations of hung jobs, with a queue twice as long.
    {
        fillQueue();
        _cluster.configure("JobSubmitPlugins", "hang_detector");
        for (int round = 0; round < _rounds; ++round) {
            const std::string name = "questions_" + std::to_string(round);
            showProgress("a run with a longer queue: round " + std::to_string(round + 1));
            add(Setting::inside,
                {{"run that terminates 1 job, 10,000 jobs in the queue, ms",
                  millisecondsOfARun(false, name + "_no")},
                 {"  the same with ReleaseAllocations, ms", millisecondsOfARun(true, name + "_yes")},
                 {"idle run, 10,000 jobs in the queue, EndedJobDuration, ms",
                  millisecondsOfAnIdleRun(false, name + "_idle")},
                 {"  the same with one marked job, ms", millisecondsOfAnIdleRun(true, name + "_marked")}});
        }
    }

    double millisecondsOfARun(bool asksSlurm, const std::string& databaseName)
    /// The mean of runs that terminate one job each.
    {
        constexpr int runs = 10;
        BenchmarkDatabase database(_server, databaseName);
        database.addSearchIndex();
        _cluster.writeSettings(
            "Connection=" + database.connectionString() +
            "\nInterval=1\nMaxJobsPerRun=1\nReleaseAllocations=" + (asksSlurm ? "yes" : "no") + "\n");
        _cluster.startController();
        const auto work = [&] { return DetectorWork::read(slurmctldLog()); };
        DetectorWork before;
        // The first jobs are not measured: the connection, and the memory that slurmctld takes.
        for (const int jobs : {3, runs}) {
            before = work();
            database.addHungJobs(jobs);
            if (!Test::eventually(patience, [&] { return work().since(before).terminated == jobs; }))
                throw std::runtime_error("the detector does not terminate the jobs:\n" + _cluster.log());
        }
        const DetectorWork worked = work().since(before);
        _cluster.stopController(patience);
        return static_cast<double>(worked.busyMilliseconds) / worked.runs;
    }

    double millisecondsOfAnIdleRun(bool isAnyMarked, const std::string& databaseName)
    /// The mean. Idle runs are logged at debug level.
    {
        constexpr int runs = 20;
        BenchmarkDatabase database(_server, databaseName);
        database.addSearchIndex();
        _cluster.configure("SlurmctldDebug", "debug");
        _cluster.writeSettings("Connection=" + database.connectionString() +
                               "\nInterval=1\nEndedJobDuration=30s\nTrustedUsers=root\n");
        _cluster.startController();
        std::string marked;
        if (isAnyMarked)
            marked = _cluster.submit("true", {"--hold", "--comment=provisioner_daemon=benchmark"});
        const auto work = [&] { return DetectorWork::read(slurmctldLog()); };
        DetectorWork before;
        for (const int some : {3, runs}) {
            before = work();
            if (!Test::eventually(patience, [&] { return work().since(before).runs >= some; }))
                throw std::runtime_error("the detector does not run:\n" + _cluster.log());
        }
        const DetectorWork worked = work().since(before);
        if (isAnyMarked)
            _cluster.run({"scancel", marked});
        _cluster.stopController(patience);
        _cluster.configure("SlurmctldDebug", "info");
        return static_cast<double>(worked.busyMilliseconds) / worked.runs;
    }

    const int _rounds;
    const bool _isDatabaseHere;
    const Sim::ThrowawayPostgres& _server;
    Test::SlurmCluster& _cluster;
    Report _report{{.headings = {{"slurmctld with", "", "", "the detector in", "", "inside", "inside"},
                                 {"5,000 jobs in its queue", "", "nothing else", "a process beside",
                                  "the plugin inside", "to nothing", "to beside"}},
                    .columns = {"alone", "beside", "inside"},
                    .compared = static_cast<std::size_t>(Setting::inside),
                    .hasRanges = true}};
};

} // namespace

Report measureScheduler(int rounds, bool isDatabaseHere)
{
    useProcessors(Half::database, isDatabaseHere);
    const Sim::ThrowawayPostgres server;
    useProcessors(Half::slurm, isDatabaseHere);
    Test::SlurmCluster cluster;
    return SchedulerBenchmark(rounds, isDatabaseHere, server, cluster).run();
}

} // namespace HangDetection::Benchmark
