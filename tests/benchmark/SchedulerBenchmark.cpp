#include "SchedulerBenchmark.h"

#include "BenchmarkDatabase.h"
#include "ChildProcess.h"
#include "Eventually.h"
#include "HungJobFeeder.h"
#include "Json.h"
#include "LibpqSession.h"
#include "Progress.h"
#include "RandomMoments.h"
#include "TemporaryDirectory.h"
#include "TextTable.h"

#include <Poco/String.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace HangDetection::Benchmark {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

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

/// While the queue is filled nobody schedules.
constexpr const char* seldomScheduled = "defer,sched_interval=3600,bf_interval=3600";

double percent(std::chrono::milliseconds part, std::chrono::steady_clock::duration whole)
{
    return 100 * std::chrono::duration<double>(part) / std::chrono::duration<double>(whole);
}

double milliseconds(std::chrono::steady_clock::duration time)
{
    return std::chrono::duration<double, std::milli>(time).count();
}

class DetectorProcess
/// The plugin in the simulator, in a process of its own.
{
public:
    explicit DetectorProcess(const std::string& settingsText)
    {
        _directory.write("hang_detector.conf", settingsText);
        _directory.write("slurm.conf", "ClusterName=test\nPluginDir=" +
                                           fs::path(HANG_DETECTOR_PLUGIN).parent_path().string() +
                                           "\nJobSubmitPlugins=hang_detector\n");
        _process.emplace(
            Sim::CommandLine{SIMULATOR, "--slurm-conf=" + (_directory.path() / "slurm.conf").string()},
            _directory.path() / "log");
    }

    std::string log() const { return _directory.read("log"); }

private:
    const Test::TemporaryDirectory _directory;
    std::optional<Test::ChildProcess> _process;
};

std::string settingsFor(const std::string& connection)
/// A run every second, of as many jobs as it may have, all of which hang here.
{
    return "Connection=" + connection +
           "\nInterval=1\nMassHangRatio=0\nMaxJobsPerRun=" + std::to_string(HungJobFeeder::jobsPerRun) + "\n";
}

std::string rangeOf(const Samples& samples)
{
    if (samples.isEmpty())
        return "-";
    const auto [least, most] = std::minmax_element(samples.values().begin(), samples.values().end());
    return number(samples.median()) + " (" + number(*least) + " to " + number(*most) + ")";
}

std::string ratioOf(const Samples& samples, const Samples& to)
{
    if (samples.isEmpty() || to.isEmpty() || to.median() == 0)
        return "-";
    return number(samples.median() / to.median());
}

std::string loadAverage()
{
    std::string text;
    std::getline(std::ifstream("/proc/loadavg"), text, ' ');
    return text;
}

} // namespace

SchedulerBenchmark::SchedulerBenchmark(int rounds, Database database)
    : _rounds(rounds), _database(database), _server(startServer()), _cluster(startCluster())
{
    // Jobs that were cancelled are soon forgotten.
    _cluster.configure("MinJobAge", "2");
    // Twice as many jobs are queued in the end.
    _cluster.configure("MaxJobCount", std::to_string(3 * queuedJobs));
}

void SchedulerBenchmark::useProcessors(ProcessorHalves::Half half) const
{
    if (_database == Database::elsewhere)
        _processors.use(half);
}

Sim::ThrowawayPostgres SchedulerBenchmark::startServer() const
{
    useProcessors(databases);
    return Sim::ThrowawayPostgres();
}

Test::SlurmCluster SchedulerBenchmark::startCluster() const
{
    useProcessors(slurms);
    return {};
}

void SchedulerBenchmark::run()
{
    _loadBefore = loadAverage();
    fillQueue();
    Progress progress("measuring the scheduler", _rounds * static_cast<int>(settings.size()));
    for (int round = 0; round < _rounds; ++round) {
        for (std::size_t turn = 0; turn < settings.size(); ++turn) {
            // Whoever comes first is another one each time.
            measure(settings.at((turn + static_cast<std::size_t>(round)) % settings.size()),
                    "scheduler_" + std::to_string(round) + "_" + std::to_string(turn));
            progress.step();
        }
    }
    measureQuestions();
}

void SchedulerBenchmark::measureQuestions()
/// What it costs a run to ask Slurm for the allocations of hung jobs, with a queue twice as long.
{
    _cluster.configure("JobSubmitPlugins", "");
    _cluster.configure("SchedulerParameters", seldomScheduled);
    _cluster.startController();
    submit(queuedJobs);
    _cluster.stopController(patience);
    _cluster.configure("JobSubmitPlugins", "hang_detector");
    for (int round = 0; round < _rounds; ++round) {
        const std::string name = "questions_" + std::to_string(round);
        _runWithoutQuestion.add(millisecondsOfARun(false, name + "_no"));
        _runWithQuestion.add(millisecondsOfARun(true, name + "_yes"));
    }
}

double SchedulerBenchmark::millisecondsOfARun(bool asksSlurm, const std::string& databaseName)
/// The mean of runs that terminate one job each.
{
    constexpr int runs = 10;
    BenchmarkDatabase database(_server, databaseName);
    database.addSearchIndex();
    _cluster.writeSettings("Connection=" + database.connectionString() +
                           "\nInterval=1\nReleaseAllocations=" + (asksSlurm ? "yes" : "no") + "\n");
    _cluster.startController();
    const auto work = [&] { return DetectorWork::read(logFile()); };
    DetectorWork before;
    // The first jobs are not measured: the connection, and the memory that slurmctld takes.
    for (const int jobs : {3, runs}) {
        before = work();
        for (int job = 1; job <= jobs; ++job) {
            database.addHungJobs(1);
            if (!Test::eventually(patience, [&] { return work().since(before).terminated == job; }))
                throw std::runtime_error("the detector does not terminate a job:\n" + _cluster.log());
        }
    }
    const DetectorWork worked = work().since(before);
    _cluster.stopController(patience);
    return static_cast<double>(worked.busyMilliseconds) / worked.runs;
}

void SchedulerBenchmark::fillQueue()
/// A job that never ends has the only processor of the only node; the others wait for it.
{
    _cluster.configure("JobSubmitPlugins", "");
    _cluster.configure("SchedulerParameters", "");
    _cluster.startController();
    _cluster.startNode();
    _cluster.waitForState(_cluster.submit("sleep 8640000", {"--time=100-0"}), "RUNNING");
    _cluster.stopController(patience);

    _cluster.configure("SchedulerParameters", seldomScheduled);
    _cluster.startController();
    submit(queuedJobs);
    _cluster.stopController(patience);
    _cluster.configure("SchedulerParameters", oftenScheduled);
}

void SchedulerBenchmark::submit(int count) const
/// By a few at once.
{
    Progress progress("submitting jobs to Slurm", count);
    std::mutex mutex;
    std::atomic<int> left = count;
    const auto submitSome = [&] {
        while (left-- > 0) {
            submitJob("queued");
            const std::lock_guard lock(mutex);
            progress.step();
        }
    };
    std::array<std::future<void>, 4> submitters;
    for (auto& submitter : submitters)
        submitter = std::async(std::launch::async, submitSome);
    for (auto& submitter : submitters)
        submitter.get();
}

void SchedulerBenchmark::submitJob(const std::string& name) const
{
    _cluster.run({"sbatch", "--quiet", "--job-name=" + name, "--time=10", "--output=/dev/null",
                  "--chdir=" + _cluster.directory().string(), "--wrap=true"});
}

void SchedulerBenchmark::measure(Setting setting, const std::string& databaseName)
{
    if (setting == Setting::alone) {
        _cluster.configure("JobSubmitPlugins", "");
        measure(setting, [] { return DetectorWork(); });
        return;
    }
    {
        useProcessors(databases);
        BenchmarkDatabase database(_server, databaseName);
        database.addSearchIndex();
        const HungJobFeeder feeder(database.connectionString());
        database.settle();
        const std::string settingsText = settingsFor(database.connectionString());
        if (setting == Setting::beside) {
            const DetectorProcess detector(settingsText);
            useProcessors(slurms);
            _cluster.configure("JobSubmitPlugins", "");
            measure(setting, [&] { return DetectorWork::read(detector.log()); });
        } else {
            useProcessors(slurms);
            _cluster.writeSettings(settingsText);
            _cluster.configure("JobSubmitPlugins", "hang_detector");
            measure(setting, [&] { return DetectorWork::read(logFile()); });
        }
    }
    // What it leaves behind to be vacuumed is not for who comes next.
    Test::LibpqSession(_server.connectionString("postgres")).execute("DROP DATABASE " + databaseName);
}

void SchedulerBenchmark::measure(Setting setting, const std::function<DetectorWork()>& work)
{
    _cluster.startController();
    // The node tells that it is there when it is asked to; before that there is nothing to schedule.
    _cluster.reconfigure();
    waitUntilAtWork(setting, work);
    const DetectorWork workBefore = work();
    const ProcessorTime timeBefore = processorTime();
    const ThreadTime backfillBefore = backfillTime();
    _cluster.run({"sdiag", "--reset"});
    const auto start = Clock::now();
    const Samples sbatch = timeSbatch(start);
    std::this_thread::sleep_until(start + duration);
    const SchedulerFigures figures = schedulerFigures();
    const ProcessorTime time = processorTime();
    const ThreadTime backfill = backfillTime();
    const auto whole = Clock::now() - start;
    const DetectorWork worked = work().since(workBefore);

    cancelTimedJobs();
    _cluster.stopController(patience);

    _sbatchMedian.add(setting, sbatch.median());
    _sbatchMean.add(setting, sbatch.mean());
    _mainCycle.add(setting, figures.mainCycle);
    _mainCycles.add(setting, figures.mainCycles);
    _backfillCycle.add(setting, figures.backfillCycle);
    _backfillCycles.add(setting, figures.backfillCycles);
    const double cycles = std::max(1, figures.backfillCycles);
    _backfillRan.add(setting, milliseconds(backfill.ran - backfillBefore.ran) / cycles);
    _backfillWaited.add(
        setting, milliseconds(backfill.waitedForProcessor - backfillBefore.waitedForProcessor) / cycles);
    _backfillBlocked.add(setting, static_cast<double>(backfill.blocked - backfillBefore.blocked) / cycles);
    _queueLength.add(setting, figures.queueLength);
    _processor.add(setting, percent(time.all - timeBefore.all, whole));
    if (setting == Setting::inside)
        _ownProcessor.add(setting, percent(time.ofThread - timeBefore.ofThread, whole));
    if (setting != Setting::alone) {
        _terminated.add(setting, static_cast<double>(worked.terminated));
        _busy.add(setting, percent(std::chrono::milliseconds(worked.busyMilliseconds), whole));
    }
}

void SchedulerBenchmark::waitUntilAtWork(Setting setting, const std::function<DetectorWork()>& work) const
{
    const auto isAtWork = [&] {
        // The schedulers have a look only when something happens.
        submitJob(timedJob);
        std::this_thread::sleep_for(200ms);
        const SchedulerFigures figures = schedulerFigures();
        return Poco::trim(_cluster.run({"sinfo", "--noheader", "--format=%T"})) == "allocated" &&
               figures.mainCycles > 0 && figures.backfillCycles > 0 &&
               (setting == Setting::alone || work().runs > 0);
    };
    if (!Test::eventually(patience, isAtWork))
        throw std::runtime_error("not at work after a minute, a scheduler or the detector, which has made " +
                                 std::to_string(work().runs) + " runs:\n" + _cluster.run({"sdiag"}));
    cancelTimedJobs();
}

void SchedulerBenchmark::cancelTimedJobs() const
{
    _cluster.run({"scancel", std::string("--name=") + timedJob});
}

Samples SchedulerBenchmark::timeSbatch(Clock::time_point start) const
/// In milliseconds. They come one by one, all over the time, and not in step with runs and cycles,
/// which come once a second.
{
    Samples samples;
    Test::RandomMoments moments([] { return duration; }, timedJobs, 0);
    for (int i = 0; i < timedJobs; ++i) {
        std::this_thread::sleep_until(start + moments.next());
        const auto before = Clock::now();
        submitJob(timedJob);
        samples.add(milliseconds(Clock::now() - before));
    }
    return samples;
}

SchedulerFigures SchedulerBenchmark::schedulerFigures() const
{
    return SchedulerFigures::read(_cluster.run({"sdiag"}));
}

std::string SchedulerBenchmark::logFile() const
/// Without what slurmctld writes to stderr, which is the same again.
{
    std::ostringstream text;
    text << std::ifstream(_cluster.directory() / "run/slurmctld.log").rdbuf();
    return text.str();
}

ProcessorTime SchedulerBenchmark::processorTime() const
{
    return ProcessorTime::read(_cluster.controller(), "hang_detector");
}

ThreadTime SchedulerBenchmark::backfillTime() const
{
    return ThreadTime::read(_cluster.controller(), "bckfl");
}

std::array<const SchedulerBenchmark::Figure*, 14> SchedulerBenchmark::figures() const
{
    return {&_sbatchMedian,    &_sbatchMean,
            &_mainCycle,       &_mainCycles,
            &_backfillCycle,   &_backfillCycles,
            &_backfillRan,     &_backfillWaited,
            &_backfillBlocked, &_queueLength,
            &_processor,       &_ownProcessor,
            &_terminated,      &_busy};
}

void SchedulerBenchmark::print(std::ostream& stream) const
{
    using enum TextTable::Align;
    TextTable table({left, left, left, left, right, right});
    table.add({"slurmctld with", "", "the detector in", "", "inside", "inside"});
    table.add({"5,000 jobs in its queue", "nothing else", "a process beside", "the plugin inside",
               "to nothing", "to beside"});
    for (const Figure* figure : figures())
        table.add({figure->name, rangeOf(figure->of(Setting::alone)), rangeOf(figure->of(Setting::beside)),
                   rangeOf(figure->of(Setting::inside)),
                   ratioOf(figure->of(Setting::inside), figure->of(Setting::alone)),
                   ratioOf(figure->of(Setting::inside), figure->of(Setting::beside))});
    table.print(stream);
    stream << "\na run that terminates one job, with " << 2 * queuedJobs
           << " jobs in the queue, ms: " << rangeOf(_runWithoutQuestion)
           << "; with ReleaseAllocations: " << rangeOf(_runWithQuestion) << '\n';
    stream
        << "\nmedian (least to most) of " << _rounds << " rounds of " << duration.count()
        << " s, in alternation; " << timedJobs << " sbatch commands in each\n"
        << (_database == Database::elsewhere
                ? "PostgreSQL, its load and the detector beside have half of the processors, Slurm the other"
                : "PostgreSQL and its load are on the processors of slurmctld, too")
        << '\n'
        << "processors: " << std::thread::hardware_concurrency() << '\n'
        << "load average before and after: " << _loadBefore << ", " << loadAverage() << '\n';
}

void SchedulerBenchmark::writeJson(const fs::path& file) const
{
    constexpr std::array<const char*, settings.size()> names{"alone", "beside", "inside"};
    Poco::JSON::Array rows;
    for (const Figure* figure : figures()) {
        Poco::JSON::Object row(Poco::JSON_PRESERVE_KEY_ORDER);
        row.set("what", Poco::trim(std::string(figure->name)));
        for (const Setting setting : settings)
            row.set(names.at(static_cast<std::size_t>(setting)), jsonOf(figure->of(setting)));
        rows.add(row);
    }
    Poco::JSON::Object questions(Poco::JSON_PRESERVE_KEY_ORDER);
    questions.set("what", "a run that terminates one job, ms");
    questions.set("without a question", jsonOf(_runWithoutQuestion));
    questions.set("with ReleaseAllocations", jsonOf(_runWithQuestion));
    rows.add(questions);
    Benchmark::writeJson(file, rows);
}

} // namespace HangDetection::Benchmark
