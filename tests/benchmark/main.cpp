// The benchmark: what a run of the detector costs, beside the same work done statement by
// statement and beside the least SQL that will do. No test; it asserts no time.
// See tests/benchmark/run for the options.

#include "BenchmarkDatabase.h"
#include "Measurements.h"
#include "Plot.h"
#include "Report.h"
#include "SchedulerBenchmark.h"
#include "data/Connection.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace HangDetection::Benchmark {

namespace {

struct Options
{
    int repeat = 3;
    bool isLarge = false;
    bool hasLatency = true;
    bool isScheduler = false;
    SchedulerBenchmark::Database schedulersDatabase = SchedulerBenchmark::Database::elsewhere;
    std::filesystem::path json;
    std::filesystem::path plots = ".";
};

Options optionsFrom(const std::vector<std::string>& arguments)
{
    Options options;
    for (auto argument = arguments.begin(); argument != arguments.end(); ++argument) {
        const auto value = [&] {
            if (argument + 1 == arguments.end())
                throw std::invalid_argument(*argument + " needs a value");
            return *++argument;
        };
        if (*argument == "--large")
            options.isLarge = true;
        else if (*argument == "--scheduler")
            options.isScheduler = true;
        else if (*argument == "--database-here")
            options.schedulersDatabase = SchedulerBenchmark::Database::here;
        else if (*argument == "--no-latency")
            options.hasLatency = false;
        else if (*argument == "--repeat")
            options.repeat =
                std::max(1, std::atoi(value().c_str())); // NOLINT(cert-err34-c): 1 will do for no number
        else if (*argument == "--json")
            options.json = value();
        else if (*argument == "--plots")
            options.plots = value();
        else
            throw std::invalid_argument("unknown option " + *argument);
    }
    return options;
}

constexpr std::array<std::pair<Side, const char*>, sides> sideNames{
    {{Side::detector, "detector"},
     {Side::statements2023, "statements of 2023"},
     {Side::statements2026, "statements of 2026"},
     {Side::psql, "psql"}}};

class Benchmark
/// Everything in its order: the short ones first.
{
public:
    explicit Benchmark(Options options) : _options(std::move(options)) {}

    void run()
    {
        tellFacts();
        measureRuns();
        measureIdle();
        if (_options.hasLatency)
            _report.add(measureLatency(_server));
        _report.print(std::cout);
        if (!_options.json.empty())
            _report.writeJson(_options.json);
        std::filesystem::create_directories(_options.plots);
        _byHungJobs.writeSvg(_options.plots / "hung-jobs.svg");
        _byTableSize.writeSvg(_options.plots / "table-size.svg");
    }

private:
    void tellFacts()
    {
        Test::LibpqSession session(_server.connectionString("postgres"));
        _report.addFact("PostgreSQL", session.execute("SHOW server_version").value(0, "server_version"));
        _report.addFact("fsync, synchronous_commit, shared_buffers",
                        session
                            .execute("SELECT concat_ws(', ', current_setting('fsync'),"
                                     " current_setting('synchronous_commit'),"
                                     " current_setting('shared_buffers')) AS settings")
                            .value(0, "settings"));
        _report.addFact("processors", std::to_string(std::thread::hardware_concurrency()));
        _report.addFact("repetitions", std::to_string(_options.repeat));
    }

    void addRow(const Row& ofHungJobs, int hungJobs)
    {
        _report.add(hungJobs < 1000 ? ofHungJobs : jobsPerSecond(ofHungJobs, hungJobs));
    }

    void measureRuns()
    {
        BenchmarkDatabase database(_server, "runs");
        database.addFinishedJobs(10000);
        database.addSearchIndex();
        database.settle();
        _report.add(measureRoundTrips(database, _server, 0));
        _report.add(measureRoundTrips(database, _server, 10));

        std::map<Side, Line> lines;
        for (const auto& [side, name] : sideNames)
            lines[side].name = name;
        for (const int hungJobs : {10, 100, 1000, 10000}) {
            // So many leave too much behind to go on without a vacuum.
            if (hungJobs < 10000)
                addRow(measureHungJobs(database, hungJobs, repetitionsOver(hungJobs), Maintenance::once),
                       hungJobs);
            const Row row =
                measureHungJobs(database, hungJobs, repetitionsOver(hungJobs), Maintenance::afterEach);
            for (auto& [side, line] : lines) {
                if (!row.of(side).isEmpty())
                    line.points.emplace_back(hungJobs, row.of(side).median());
            }
            addRow(row, hungJobs);
        }
        for (const auto& [side, line] : lines)
            _byHungJobs.add(line);

        _report.add(measureMemory(database, 10));
        _report.add(measureMemory(database, 1000));
    }

    Repetitions repetitionsOver(int hungJobs) const
    /// A short run varies more. Statement by statement, 10,000 jobs take half a minute or more.
    {
        const int often = hungJobs == 10 ? 5 * _options.repeat : _options.repeat;
        return hungJobs < 10000 ? Repetitions{often, often, often, often} : Repetitions{often, 1, 1, often};
    }

    void measureIdle()
    {
        struct Size
        {
            int finished;
            const char* name;
        };
        std::vector<Size> sizes{{1000, "1,000"}, {1000000, "1,000,000"}};
        if (_options.isLarge)
            sizes.push_back({10000000, "10,000,000"});

        BenchmarkDatabase database(_server, "idle");
        database.addRunningJobs(100);
        int finished = 0;
        for (const auto& [count, name] : sizes) {
            database.addFinishedJobs(count - finished);
            finished = count;
            measureBothWays(database, count, name, "100");
        }
        database.addRunningJobs(9900);
        measureBothWays(database, 0, sizes.back().name, "10,000");

        _byTableSize.add(_withIndex);
        _byTableSize.add(_withoutIndex);
        _byTableSize.add(_statements);
    }

    void measureBothWays(BenchmarkDatabase& database, int plotAt, const std::string& finished,
                         const std::string& running)
    {
        const std::string what = "idle run, " + finished + " finished, " + running + " running, ";
        const int repetitions = 3 * _options.repeat;
        database.settle();
        const Row without = measureIdleRun(database, what + "no index", repetitions);
        database.addSearchIndex();
        database.settle();
        Row with = measureIdleRun(database, what + "index", repetitions);
        database.dropSearchIndex();

        const double ratio = with.of(Side::detector).median() / without.of(Side::detector).median();
        with.note = "detector: " + std::to_string(ratio).substr(0, 5) + " of no index";
        if (plotAt > 0) {
            _withIndex.points.emplace_back(plotAt, with.of(Side::detector).median());
            _withoutIndex.points.emplace_back(plotAt, without.of(Side::detector).median());
            _statements.points.emplace_back(plotAt, without.of(Side::statements2026).median());
        }
        _report.add(without);
        _report.add(with);
    }

    const Options _options;
    const Sim::ThrowawayPostgres _server{Sim::ThrowawayPostgres::Disk::synced};
    Report _report;
    Plot _byHungJobs{"One run over hung jobs, after a vacuum", "hung jobs", "milliseconds"};
    Plot _byTableSize{"One run that finds nothing, 100 jobs running", "finished jobs", "milliseconds"};
    Line _withIndex{"detector, index"};
    Line _withoutIndex{"detector, no index"};
    Line _statements{"statements of 2026"};
};

} // namespace

} // namespace HangDetection::Benchmark

int main(int argc, char** argv)
{
    using namespace HangDetection::Benchmark;

    HangDetection::prepareDatabaseLibraries();
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    try {
        if (arguments.size() == 4 && arguments.front() == "--memory")
            return runForMemory(arguments.at(1), arguments.at(2), std::stoi(arguments.at(3)));
        const Options options = optionsFrom(arguments);
        if (options.isScheduler) {
            SchedulerBenchmark scheduler(options.repeat, options.schedulersDatabase);
            scheduler.run();
            scheduler.print(std::cout);
            if (!options.json.empty())
                scheduler.writeJson(options.json);
        } else
            Benchmark(options).run();
        return 0;
    } catch (const std::exception& exception) {
        std::cerr << exception.what() << '\n';
        return 1;
    }
}
