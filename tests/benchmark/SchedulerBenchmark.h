#pragma once

#include "DetectorWork.h"
#include "ProcessorHalves.h"
#include "ProcessorTime.h"
#include "Samples.h"
#include "SchedulerFigures.h"
#include "SlurmCluster.h"
#include "ThrowawayPostgres.h"

#include <array>
#include <chrono>
#include <filesystem>
#include <functional>
#include <ostream>
#include <string>

namespace HangDetection::Benchmark {

class SchedulerBenchmark
/// What Slurm's scheduler and sbatch feel of a detector that is busy all the time. A slurmctld
/// with 5,000 jobs in its queue is measured in three settings, which take turns: alone; with
/// the detector in a process beside it; with the plugin in it. The second has all that the
/// database and the detector take of the machine, so the third shows what the plugin adds by
/// being inside.
{
public:
    enum class Database
    {
        elsewhere, /// it and all that works with it have half of the processors, Slurm the other
        here       /// everybody has all processors
    };

    SchedulerBenchmark(int rounds, Database database);
    /// Starts Slurm and PostgreSQL. Throws std::runtime_error with what is missing.

    void run();
    /// Fills the queue and measures.

    void print(std::ostream& stream) const;

    void writeJson(const std::filesystem::path& file) const;
    /// Each value of each figure. Throws std::runtime_error when the file cannot be written.

private:
    using Clock = std::chrono::steady_clock;

    enum class Setting
    {
        alone,
        beside,
        inside
    };
    static constexpr std::array settings{Setting::alone, Setting::beside, Setting::inside};

    struct Figure
    {
        const char* name;
        std::array<Samples, settings.size()> samples = {};

        void add(Setting setting, double value) { samples.at(static_cast<std::size_t>(setting)).add(value); }
        const Samples& of(Setting setting) const { return samples.at(static_cast<std::size_t>(setting)); }
    };

    std::array<const Figure*, 14> figures() const;
    void fillQueue();
    void submit(int count) const;
    void submitJob(const std::string& name) const;
    void measure(Setting setting, const std::string& databaseName);
    void measure(Setting setting, const std::function<DetectorWork()>& work);
    void waitUntilAtWork(Setting setting, const std::function<DetectorWork()>& work) const;
    void measureQuestions();
    double millisecondsOfARun(bool asksSlurm, const std::string& databaseName);
    void cancelTimedJobs() const;
    Samples timeSbatch(Clock::time_point start) const;
    SchedulerFigures schedulerFigures() const;
    std::string logFile() const;
    ProcessorTime processorTime() const;
    ThreadTime backfillTime() const;

    void useProcessors(ProcessorHalves::Half half) const;
    Sim::ThrowawayPostgres startServer() const;
    Test::SlurmCluster startCluster() const;

    static constexpr auto slurms = ProcessorHalves::Half::first;
    static constexpr auto databases = ProcessorHalves::Half::second;

    const int _rounds;
    const Database _database;
    const ProcessorHalves _processors;
    std::string _loadBefore;
    const Sim::ThrowawayPostgres _server;
    Test::SlurmCluster _cluster;

    Samples _runWithoutQuestion;
    Samples _runWithQuestion;
    Figure _sbatchMedian{"sbatch, median, ms"};
    Figure _sbatchMean{"sbatch, mean, ms"};
    Figure _mainCycle{"main scheduler, mean cycle, us"};
    Figure _mainCycles{"main scheduler, cycles"};
    Figure _backfillCycle{"backfill scheduler, mean cycle, us"};
    Figure _backfillCycles{"backfill scheduler, cycles"};
    Figure _backfillRan{"  its thread ran, ms in a cycle"};
    Figure _backfillWaited{"  waited for a processor, ms in a cycle"};
    Figure _backfillBlocked{"  blocked or slept, times in a cycle"};
    Figure _queueLength{"queue length"};
    Figure _processor{"slurmctld, % of a processor"};
    Figure _ownProcessor{"of that in the plugin's thread"};
    Figure _terminated{"jobs terminated meanwhile"};
    Figure _busy{"detector in a run, % of the time"};
};

} // namespace HangDetection::Benchmark
