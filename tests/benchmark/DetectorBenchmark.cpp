#include "DetectorBenchmark.h"

#include "BenchmarkDatabase.h"
#include "Contender.h"
#include "CountingProxy.h"
#include "Plot.h"
#include "Readings.h"
#include "TemporaryDirectory.h"
#include "detection/HangDetector.h"
#include "detection/Service.h"
#include "slurm/JobMark.h"

#include <condition_variable>
#include <iostream>
#include <iterator>
#include <mutex>
#include <sstream>
#include <thread>
#include <tuple>

// Exported by Slurm's library, but in none of its installed headers.
extern "C" {
char* slurm_xstrdup(const char* text);
void slurm_xfree(void** memory);
}

namespace HangDetection::Benchmark {

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;
using Contenders = std::map<Side, Contender>;

void terminateExactly(int expected, const Contender& contender)
{
    const int terminated = contender.run();
    if (terminated != expected)
        throw std::runtime_error("a run terminated " + std::to_string(terminated) + " jobs instead of " +
                                 std::to_string(expected));
}

double millisecondsOf(int expected, const Contender& contender)
{
    const auto start = Clock::now();
    terminateExactly(expected, contender);
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

Contenders warmContenders(BenchmarkDatabase& database, int mostJobs, const std::string& options = "")
/// Each is connected, and has made a run that found nothing. Those that are to terminate jobs have
/// terminated one, too.
{
    Contenders contenders;
    for (const Side side : allSides) {
        contenders[side] = makeContender(side, database.connectionString() + options, mostJobs);
        terminateExactly(0, contenders[side]);
    }
    for (const auto& [side, contender] : contenders) {
        if (mostJobs == 0)
            break;
        database.addHungJobs(1);
        contender.look();
        terminateExactly(1, contender);
    }
    return contenders;
}

double peakMegabytesOf(pid_t process)
{
    return numberIn("/proc/" + std::to_string(process) + "/status", "VmHWM:") / 1024;
}

void runByTheClock(const std::stop_token& stop, Side side, const std::string& connectionString,
                   std::chrono::seconds interval)
/// As a detector does that knows nothing better.
{
    const Contender contender = makeContender(side, connectionString, 10);
    std::mutex mutex;
    std::condition_variable_any stopped;
    std::unique_lock lock(mutex);
    for (auto due = Clock::now(); !stop.stop_requested(); due += interval) {
        contender.run();
        stopped.wait_until(lock, stop, due + interval, [] { return false; });
    }
}

void addJobsThatWillHang(Sim::JobDatabase& database)
/// Each starts an hour before the moment in which it counts as hung. Its start outlasts its termination.
{
    constexpr int threshold = 300; // the default of HungJobDuration, and built into Coder's detectors
    // In seconds. A plain interval finds them half an interval later on average.
    for (const int moment : {5, 15, 25, 35, 45, 55})
        database.addJob({.startedAgo = std::to_string(3600 - moment) + " seconds",
                         .updatedAgo = std::to_string(threshold - moment) + " seconds"});
}

bool areAllTerminated(Sim::JobDatabase& database)
{
    return database.value("SELECT bool_and(completed_at IS NOT NULL)::text FROM provisioner_jobs") == "true";
}

Samples latenciesIn(Sim::JobDatabase& database)
{
    std::istringstream seconds(
        database
            .value(
                "SELECT string_agg(extract(epoch FROM completed_at - started_at - interval '1 hour')::text,"
                " ' ') FROM provisioner_jobs")
            .value());
    return {std::istream_iterator<double>(seconds), {}};
}

class DetectorBenchmark
/// All sides work on the same database in turn, each on fresh jobs.
{
public:
    explicit DetectorBenchmark(int repeat) : _repeat(repeat) {}

    Report run(bool isLarge, bool hasLatency)
    /// Everything in its order: the short ones first.
    {
        addFacts();
        measureJobSubmit();
        measureRuns();
        measureIdle(isLarge);
        measureStalls();
        if (hasLatency)
            measureLatency();
        return _report;
    }

    void drawPlots(const fs::path& directory) const
    {
        _byHungJobs.writeSvg(directory / "hung-jobs.svg");
        _byTableSize.writeSvg(directory / "table-size.svg");
    }

private:
    void addFacts()
    {
        Test::LibpqSession session(_server.connectionString("postgres"));
        const auto ask = [&](const std::string& expression) {
            return session.execute("SELECT " + expression + " AS answer").value(0, "answer");
        };
        _report.addFact("to 2023, 2026, psql", "the detector's figure divided by that of the other; "
                                               "below 1 is better for times, above 1 for speeds");
        _report.addFact("PostgreSQL", ask("current_setting('server_version')"));
        _report.addFact("fsync, synchronous_commit, shared_buffers",
                        ask("concat_ws(', ', current_setting('fsync'), current_setting('synchronous_commit'),"
                            " current_setting('shared_buffers'))"));
        _report.addFact("processors", std::to_string(std::thread::hardware_concurrency()));
        _report.addFact("repetitions", std::to_string(_repeat));
    }

    void measureJobSubmit()
    /// What a submission waits for, beside the copy that Slurm makes of its comment, by Slurm's own function.
    {
        const std::string mark = "provisioner_job=" + Sim::JobDatabase::newId() + ' ';
        for (const auto& [what, text, marks, calls] :
             {std::tuple("without a mark", "an ordinary comment about this job", 0, 100000),
              {"with one mark", "", 1, 100000},
              {"full of marks", "", 1024 / static_cast<int>(mark.size()), 100000},
              {"of 50 MB", "", 50000000 / static_cast<int>(mark.size()), 10}}) {
            std::string comment(text);
            for (int i = 0; i < marks; ++i)
                comment += mark;
            const auto nanoseconds = [&](auto action) {
                Samples samples;
                for (int i = 0; i < _repeat; ++i) {
                    const auto start = Clock::now();
                    for (int call = 0; call < calls; ++call)
                        action();
                    samples.push_back(std::chrono::duration<double, std::nano>(Clock::now() - start).count() /
                                      calls);
                }
                return textOf(median(samples));
            };
            const std::string checked = nanoseconds([&] { isMarkAllowed(comment.c_str()); });
            const std::string copied = nanoseconds([&] {
                void* copy = slurm_xstrdup(comment.c_str());
                slurm_xfree(&copy);
            });
            _report.addFact(std::string("a comment ") + what + ", checked by job_submit and copied by Slurm",
                            checked + " and " + copied + " ns");
        }
    }

    void measureRuns()
    {
        BenchmarkDatabase database(_server, "runs");
        database.addFinishedJobs(10000);
        database.addSearchIndex();
        database.settle();
        measureRoundTrips(database, 0);
        measureRoundTrips(database, 10);
        for (const int hungJobs : {10, 100, 1000, 10000}) {
            // So many leave too much behind to go on without a vacuum.
            if (hungJobs < 10000)
                measureHungJobs(database, hungJobs, false);
            measureHungJobs(database, hungJobs, true);
        }
        measureMemory(database, 1000);
    }

    void measureRoundTrips(BenchmarkDatabase& database, int hungJobs)
    /// Of one run, counted at the socket.
    {
        Test::CountingProxy proxy(_server.directory());
        Row& row = _report.add(
            {hungJobs == 0 ? "idle run" : "run over " + grouped(hungJobs) + " hung jobs", "round trips"});
        const std::string host = " host=" + proxy.directory().string();
        for (const auto& [side, contender] : warmContenders(database, hungJobs, host)) {
            if (hungJobs > 0)
                database.addHungJobs(hungJobs);
            contender.look();
            proxy.reset();
            terminateExactly(hungJobs, contender);
            row.of(side).push_back(proxy.roundTrips());
        }
    }

    void measureHungJobs(BenchmarkDatabase& database, int hungJobs, bool isAfterVacuum)
    /// How long a run takes that terminates so many jobs; of many how many it terminates in a second. A
    /// vacuum makes the server forget the plans that it keeps for a session, so the run plans its statements
    /// anew.
    {
        Row row{"run over " + grouped(hungJobs) + " hung jobs" + (isAfterVacuum ? ", after a vacuum" : ""),
                "ms"};
        database.settle();
        const Contenders contenders = warmContenders(database, hungJobs);
        // A short run varies more. Statement by statement, 10,000 jobs take half a minute or more.
        const int rounds = hungJobs == 10 ? 5 * _repeat : _repeat;
        const int slowRounds = hungJobs == 10000 ? 1 : rounds;
        for (int round = 0; round < rounds; ++round) {
            showProgress(row.what + ": round " + std::to_string(round + 1) + " of " + std::to_string(rounds));
            for (std::size_t turn = 0; turn < allSides.size(); ++turn) {
                // Each round begins with another side.
                const Side side = allSides.at((turn + static_cast<std::size_t>(round)) % allSides.size());
                const bool isSlow = side == Side::statements2023 || side == Side::statements2026;
                if (isSlow && round >= slowRounds)
                    continue;
                database.addHungJobs(hungJobs);
                contenders.at(side).look();
                if (isAfterVacuum)
                    database.settle();
                row.of(side).push_back(millisecondsOf(hungJobs, contenders.at(side)));
            }
        }
        if (isAfterVacuum) {
            _byHungJobs.add("detector", hungJobs, median(row.of(Side::detector)));
            _byHungJobs.add("statements of 2023", hungJobs, median(row.of(Side::statements2023)));
            _byHungJobs.add("statements of 2026", hungJobs, median(row.of(Side::statements2026)));
            _byHungJobs.add("psql", hungJobs, median(row.of(Side::psql)));
        }
        if (hungJobs >= 1000) {
            row.unit = "jobs/s";
            for (Samples& samples : row.samples) {
                for (double& sample : samples)
                    sample = 1000 * hungJobs / sample;
            }
        }
        _report.add(row);
    }

    void measureMemory(BenchmarkDatabase& database, int hungJobs)
    /// By how much a process grows that makes a run, at its peak.
    {
        Row& row = _report.add({"memory, " + grouped(hungJobs) + " hung jobs", "MB"});
        for (const Side side : allSides) {
            database.addHungJobs(hungJobs);
            row.of(side).push_back(std::stod(Sim::mustRun(
                {fs::read_symlink("/proc/self/exe"), "--memory", std::to_string(static_cast<int>(side)),
                 database.connectionString(), std::to_string(hungJobs)})));
        }
    }

    void measureIdle(bool isLarge)
    {
        std::vector<int> sizes{1000, 1000000};
        if (isLarge)
            sizes.push_back(10000000);

        BenchmarkDatabase database(_server, "idle");
        database.addRunningJobs(fewRunning);
        int finished = 0;
        for (const int size : sizes) {
            database.addFinishedJobs(size - std::exchange(finished, size));
            measureBothWays(database, finished, fewRunning);
        }
        constexpr int manyRunning = 10000;
        database.addRunningJobs(manyRunning - fewRunning);
        measureBothWays(database, finished, manyRunning);
    }

    void measureBothWays(BenchmarkDatabase& database, int finished, int running)
    {
        const std::string what =
            "idle run, " + grouped(finished) + " finished, " + grouped(running) + " running, ";
        const Row without = measureIdleRun(database, what + "no index");
        database.addSearchIndex();
        const Row with = measureIdleRun(database, what + "index");
        database.dropSearchIndex();

        if (running == fewRunning) {
            _byTableSize.add("detector, index", finished, median(with.of(Side::detector)));
            _byTableSize.add("detector, no index", finished, median(without.of(Side::detector)));
            _byTableSize.add("statements of 2026", finished, median(without.of(Side::statements2026)));
        }
        _report.add(without);
        _report.add(with);
    }

    Row measureIdleRun(BenchmarkDatabase& database, const std::string& what) const
    /// A run that finds nothing.
    {
        showProgress(what);
        database.settle();
        const Contenders contenders = warmContenders(database, 0);
        Row row{what, "ms"};
        for (int i = 0; i < 3 * _repeat; ++i) {
            for (const auto& [side, contender] : contenders)
                row.of(side).push_back(millisecondsOf(0, contender));
        }
        return row;
    }

    void measureStalls()
    /// What the search for stalled jobs adds to a run that finds none.
    {
        constexpr int running = 10000;
        constexpr int lines = 1000;
        BenchmarkDatabase database(_server, "stalls");
        database.addRunningJobs(running);
        database.addLogLines(lines);
        database.addSearchIndex();
        database.settle();
        showProgress("stalled jobs");
        Settings settings;
        settings.connection = ConnectionString::parse(database.connectionString());
        std::map<bool, Samples> samples;
        for (const bool areSought : {false, true}) {
            // Each job has run for longer than this.
            settings.stalledJobDuration = std::chrono::minutes(areSought ? 10 : 0);
            Poco::NotificationCenter notifications;
            HangDetector detector(settings, notifications, nullptr, std::chrono::milliseconds(0));
            for (int i = 0; i <= 3 * _repeat; ++i) {
                const RunStatistics run = detector.run({});
                if (run.error || run.jobs.running != running || run.canceled > 0)
                    throw std::runtime_error("a run over " + std::to_string(running) + " jobs went wrong");
                if (i > 0)
                    samples[areSought].push_back(static_cast<double>(run.duration.count()));
            }
        }
        _report.addFact("an idle run over " + grouped(running) + " running jobs with " + grouped(lines) +
                            " log lines each, without and with StalledJobDuration",
                        textOf(median(samples[false])) + " and " + textOf(median(samples[true])) + " ms");
    }

    void measureLatency()
    /// How long after the moment in which it counts as hung a job is terminated.
    {
        showProgress("detection latency, which takes a minute or two");
        constexpr std::chrono::seconds interval{60};
        std::vector<Sim::JobDatabase> databases;
        std::vector<std::jthread> plain;
        const Test::TemporaryDirectory directory;
        for (const Side side : allSides) {
            const std::string name = "latency_" + std::to_string(static_cast<int>(side));
            _server.createDatabase(name);
            const std::string connectionString = _server.connectionString(name);
            addJobsThatWillHang(databases.emplace_back(connectionString));
            if (side == Side::detector)
                directory.write("hang_detector.conf", "Connection=" + connectionString + '\n');
            else
                plain.emplace_back(runByTheClock, side, connectionString, interval);
        }
        Service service(directory.path() / "hang_detector.conf", silentLogger(), "benchmark");
        service.start();
        const auto until = Clock::now() + 2 * interval;
        while (Clock::now() < until && !std::ranges::all_of(databases, areAllTerminated))
            std::this_thread::sleep_for(std::chrono::seconds(1));
        service.stop();
        service.waitUntilEnded(std::chrono::seconds(5));

        Row& row = _report.add({"latency at an interval of 60 s", "s"});
        for (const Side side : allSides)
            row.of(side) = latenciesIn(databases.at(static_cast<std::size_t>(side)));
    }

    static constexpr int fewRunning = 100;

    const int _repeat;
    const Sim::ThrowawayPostgres _server{Sim::ThrowawayPostgres::Disk::synced};
    Report _report{{.headings = {{"", "", "", "by stmt.", "by stmt.", "", "to", "to", "to"},
                                 {"median of", "unit", "detector", "of 2023", "of 2026", "psql", "2023",
                                  "2026", "psql"}},
                    .columns = {"detector", "statements2023", "statements2026", "psql"}}};
    Plot _byHungJobs{"One run over hung jobs, after a vacuum", "hung jobs", "milliseconds"};
    Plot _byTableSize{"One run that finds nothing, 100 jobs running", "finished jobs", "milliseconds"};
};

} // namespace

Report measureDetector(int repeat, bool isLarge, bool hasLatency, const fs::path& plots)
{
    fs::create_directories(plots);
    DetectorBenchmark benchmark(repeat);
    Report report = benchmark.run(isLarge, hasLatency);
    benchmark.drawPlots(plots);
    return report;
}

void runForMemory(const std::string& side, const std::string& connectionString, int hungJobs)
{
    const double own = peakMegabytesOf(getpid());
    const Contender contender = makeContender(static_cast<Side>(std::stoi(side)), connectionString, hungJobs);
    const double before = contender.process == getpid() ? own : peakMegabytesOf(contender.process);
    terminateExactly(hungJobs, contender);
    std::cout << peakMegabytesOf(contender.process) - before << '\n';
}

} // namespace HangDetection::Benchmark
