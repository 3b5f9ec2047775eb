#include "Measurements.h"

#include "Command.h"
#include "CountingProxy.h"
#include "JobDatabase.h"
#include "PluginDetector.h"
#include "Progress.h"
#include "TemporaryDirectory.h"
#include "detection/Service.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <mutex>
#include <numeric>
#include <span>
#include <sstream>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <unistd.h>
#include <vector>

namespace HangDetection::Benchmark {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array<Side, sides> allSides{Side::detector, Side::statements2023, Side::statements2026,
                                           Side::psql};

using Contenders = std::array<std::unique_ptr<Contender>, sides>;

std::string label(const std::string& what, int number, const std::string& unit)
{
    std::string digits = std::to_string(number);
    for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3)
        digits.insert(static_cast<std::size_t>(at), ",");
    return what + digits + ' ' + unit;
}

Contender& of(Contenders& contenders, Side side)
{
    return *contenders.at(static_cast<std::size_t>(side));
}

void expectTerminated(int expected, int terminated)
{
    if (terminated != expected)
        throw std::runtime_error("a run terminated " + std::to_string(terminated) + " jobs instead of " +
                                 std::to_string(expected));
}

Contenders warmContenders(const std::string& connectionString, int mostJobs)
/// Each is connected, and has made a run that found nothing.
{
    Contenders contenders;
    for (const Side side : allSides) {
        auto& contender = contenders.at(static_cast<std::size_t>(side));
        contender = makeContender(side, connectionString, mostJobs);
        expectTerminated(0, contender->run());
    }
    return contenders;
}

double millisecondsOf(Contender& contender, int expected)
{
    const auto start = Clock::now();
    const int terminated = contender.run();
    const std::chrono::duration<double, std::milli> took = Clock::now() - start;
    expectTerminated(expected, terminated);
    return took.count();
}

double peakMegabytesOf(pid_t process)
{
    std::ifstream status("/proc/" + std::to_string(process) + "/status");
    for (std::string key; status >> key;) {
        double kilobytes = 0;
        if (key == "VmHWM:" && status >> kilobytes)
            return kilobytes / 1024;
    }
    throw std::runtime_error("the memory of process " + std::to_string(process) + " cannot be read");
}

class JobsThatWillHang
/// A database of its own in which jobs cross the threshold one by one.
{
public:
    JobsThatWillHang(const Sim::ThrowawayPostgres& server, const std::string& name,
                     std::span<const int> moments)
        : _database(server, name), _jobs(_database.connectionString())
    {
        for (const int moment : moments)
            _jobs.addJob({.updatedAgo = std::to_string(threshold - moment) + " seconds"});
        _jobs.execute("CREATE TABLE crossings AS SELECT id, updated_at + interval '300 seconds' AS at"
                      " FROM provisioner_jobs");
    }

    std::string connectionString() const { return _database.connectionString(); }

    bool areAllTerminated()
    {
        return _jobs.value("SELECT bool_and(completed_at IS NOT NULL)::text FROM provisioner_jobs") == "true";
    }

    Samples latencies()
    /// From the moment in which a job counts as hung to its termination, in seconds.
    {
        Samples samples;
        std::istringstream values(
            _jobs
                .value("SELECT string_agg(extract(epoch FROM completed_at - at)::text, ' ')"
                       " FROM provisioner_jobs JOIN crossings USING (id)")
                .value());
        for (double value = 0; values >> value;)
            samples.add(value);
        return samples;
    }

private:
    /// The default of HungJobDuration, and what Coder's detectors have built in.
    static constexpr int threshold = 300;

    BenchmarkDatabase _database;
    Sim::JobDatabase _jobs;
};

void runByTheClock(const std::stop_token& stop, Side side, const std::string& connectionString,
                   std::chrono::seconds interval)
/// As a detector does that knows nothing better.
{
    const auto contender = makeContender(side, connectionString, 10);
    std::mutex mutex;
    std::condition_variable_any stopped;
    std::unique_lock lock(mutex);
    for (auto due = Clock::now(); !stop.stop_requested(); due += interval) {
        contender->run();
        stopped.wait_until(lock, stop, due + interval, [] { return false; });
    }
}

Contenders warmContenders(BenchmarkDatabase& database, const std::string& connectionString, int mostJobs)
/// Those that are to terminate jobs have terminated one before, too.
{
    Contenders contenders = warmContenders(connectionString, mostJobs);
    if (mostJobs == 0)
        return contenders;
    for (const auto& contender : contenders) {
        database.addHungJobs(1);
        contender->look();
        expectTerminated(1, contender->run());
    }
    return contenders;
}

} // namespace

Row measureRoundTrips(BenchmarkDatabase& database, const Sim::ThrowawayPostgres& server, int hungJobs)
{
    Test::CountingProxy proxy(server.directory());
    Contenders contenders = warmContenders(
        database, database.connectionString() + " host=" + proxy.directory().string(), hungJobs);
    Row row{hungJobs == 0 ? "idle run" : label("run over ", hungJobs, "hung jobs"), "round trips"};
    for (const Side side : allSides) {
        if (hungJobs > 0)
            database.addHungJobs(hungJobs);
        of(contenders, side).look();
        proxy.reset();
        expectTerminated(hungJobs, of(contenders, side).run());
        row.of(side).add(proxy.roundTrips());
    }
    return row;
}

Row measureHungJobs(BenchmarkDatabase& database, int hungJobs, const Repetitions& repetitions,
                    Maintenance maintenance)
{
    database.settle();
    Contenders contenders = warmContenders(database, database.connectionString(), hungJobs);
    const bool isAfterEach = maintenance == Maintenance::afterEach;
    Row row{label("run over ", hungJobs, isAfterEach ? "hung jobs, after a vacuum" : "hung jobs"), "ms"};
    Progress progress(row.what, std::accumulate(repetitions.begin(), repetitions.end(), 0));
    const int rounds = *std::max_element(repetitions.begin(), repetitions.end());
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t turn = 0; turn < allSides.size(); ++turn) {
            // Whoever comes first is another one each time.
            const Side side = allSides.at((turn + static_cast<std::size_t>(round)) % allSides.size());
            if (round >= repetitions.at(static_cast<std::size_t>(side)))
                continue;
            database.addHungJobs(hungJobs);
            of(contenders, side).look();
            if (isAfterEach)
                database.settle();
            row.of(side).add(millisecondsOf(of(contenders, side), hungJobs));
            progress.step();
        }
    }
    return row;
}

Row jobsPerSecond(const Row& milliseconds, int jobs)
{
    Row row{milliseconds.what, "jobs/s"};
    for (const Side side : allSides) {
        for (const double value : milliseconds.of(side).values())
            row.of(side).add(1000 * jobs / value);
    }
    return row;
}

Row measureIdleRun(const BenchmarkDatabase& database, const std::string& what, int repetitions)
{
    Contenders contenders = warmContenders(database.connectionString(), 0);
    Row row{what, "ms"};
    Progress progress(row.what, repetitions);
    for (int i = 0; i < repetitions; ++i) {
        for (const Side side : allSides)
            row.of(side).add(millisecondsOf(of(contenders, side), 0));
        progress.step();
    }
    return row;
}

Row measureMemory(BenchmarkDatabase& database, int hungJobs)
{
    Row row{label("memory, ", hungJobs, "hung jobs"), "MB"};
    for (const Side side : allSides) {
        database.addHungJobs(hungJobs);
        const std::string output = Sim::mustRun({std::filesystem::read_symlink("/proc/self/exe"), "--memory",
                                                 std::to_string(static_cast<int>(side)),
                                                 database.connectionString(), std::to_string(hungJobs)});
        row.of(side).add(std::stod(output));
    }
    return row;
}

int runForMemory(const std::string& side, const std::string& connectionString, int hungJobs)
{
    const double own = peakMegabytesOf(getpid());
    const auto contender = makeContender(static_cast<Side>(std::stoi(side)), connectionString, hungJobs);
    const pid_t process = contender->process();
    const double before = process == getpid() ? own : peakMegabytesOf(process);
    expectTerminated(hungJobs, contender->run());
    std::cout << peakMegabytesOf(process) - before << '\n';
    return 0;
}

Row measureLatency(const Sim::ThrowawayPostgres& server)
{
    constexpr std::chrono::seconds interval{60};
    // Seconds after the first run; a plain interval finds who hangs then half an interval later on average.
    constexpr std::array<int, 6> moments{5, 15, 25, 35, 45, 55};

    std::array<std::unique_ptr<JobsThatWillHang>, sides> jobs;
    std::vector<std::jthread> plain;
    for (const Side side : allSides) {
        auto& its = jobs.at(static_cast<std::size_t>(side));
        its = std::make_unique<JobsThatWillHang>(server, "latency_" + std::to_string(static_cast<int>(side)),
                                                 moments);
        if (side != Side::detector)
            plain.emplace_back(runByTheClock, side, its->connectionString(), interval);
    }
    const Test::TemporaryDirectory directory;
    Service service(
        directory.write(
            "hang_detector.conf",
            "Connection=" + jobs.at(static_cast<std::size_t>(Side::detector))->connectionString() + '\n'),
        silentLogger(), "benchmark");
    service.start();

    Progress progress("detection latency", static_cast<int>(interval.count()));
    const auto until = Clock::now() + 2 * interval;
    while (Clock::now() < until &&
           !std::all_of(jobs.begin(), jobs.end(), [](const auto& its) { return its->areAllTerminated(); })) {
        std::this_thread::sleep_for(std::chrono::seconds(1));
        progress.step();
    }
    service.stop();
    service.waitUntilEnded(std::chrono::seconds(5));

    Row row{"latency at an interval of 60 s", "s"};
    for (const Side side : allSides)
        row.of(side) = jobs.at(static_cast<std::size_t>(side))->latencies();
    return row;
}

} // namespace HangDetection::Benchmark
