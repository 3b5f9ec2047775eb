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
#include <filesystem>
#include <iostream>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <sys/resource.h>
#include <thread>
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

double peakMegabytes()
{
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;
}

} // namespace

Row measureRoundTrips(BenchmarkDatabase& database, const Sim::ThrowawayPostgres& server, int hungJobs)
{
    Test::CountingProxy proxy(server.directory());
    Contenders contenders =
        warmContenders(database.connectionString() + " host=" + proxy.directory().string(), hungJobs);
    Row row{hungJobs == 0 ? "idle run" : label("run over ", hungJobs, "hung jobs"), "round trips"};
    for (const Side side : allSides) {
        if (hungJobs > 0)
            database.addHungJobs(hungJobs);
        proxy.reset();
        expectTerminated(hungJobs, of(contenders, side).run());
        row.of(side).add(proxy.roundTrips());
    }
    return row;
}

Row measureHungJobs(BenchmarkDatabase& database, int hungJobs, const Repetitions& repetitions)
{
    Contenders contenders = warmContenders(database.connectionString(), hungJobs);
    Row row{label("run over ", hungJobs, "hung jobs"), "ms"};
    Progress progress(row.what, std::accumulate(repetitions.begin(), repetitions.end(), 0));
    const int rounds = *std::max_element(repetitions.begin(), repetitions.end());
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t turn = 0; turn < allSides.size(); ++turn) {
            // Whoever comes first is another one each time.
            const Side side = allSides.at((turn + static_cast<std::size_t>(round)) % allSides.size());
            if (round >= repetitions.at(static_cast<std::size_t>(side)))
                continue;
            database.addHungJobs(hungJobs);
            database.settle();
            row.of(side).add(millisecondsOf(of(contenders, side), hungJobs));
            progress.step();
        }
    }
    return row;
}

Row jobsPerSecond(const Row& milliseconds, int jobs)
{
    Row row{label("", jobs, "hung jobs"), "jobs/s"};
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
    for (const Side side : {Side::detector, Side::statements2023, Side::statements2026}) {
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
    const double before = peakMegabytes();
    const auto contender = makeContender(static_cast<Side>(std::stoi(side)), connectionString, hungJobs);
    expectTerminated(hungJobs, contender->run());
    std::cout << peakMegabytes() - before << '\n';
    return 0;
}

Row measureLatency(const BenchmarkDatabase& database)
{
    constexpr std::chrono::seconds interval{60};
    // The shortest that there is; the jobs hang at these seconds after the first run, which a plain
    // interval would find half an interval later on average.
    constexpr int threshold = 60;
    constexpr std::array<int, 6> moments{5, 15, 25, 35, 45, 55};

    const Test::TemporaryDirectory directory;
    const auto file = directory.write("hang_detector.conf",
                                      "Connection=" + database.connectionString() +
                                          "\nInterval=60s\nHungJobDuration=60s\nHungJobExitTimeout=30s\n");
    Sim::JobDatabase jobs(database.connectionString());
    struct Expected
    {
        std::string job;
        std::string crossing;
    };
    std::vector<Expected> expected;
    for (const int moment : moments) {
        const std::string job = jobs.addJob({.updatedAgo = std::to_string(threshold - moment) + " seconds"});
        expected.push_back({job, jobs.value("SELECT (updated_at + interval '60 seconds')::text"
                                            " FROM provisioner_jobs WHERE id = $1::uuid",
                                            job)
                                     .value()});
    }

    Service service(file, silentLogger());
    service.start();
    Progress progress("detection latency", static_cast<int>(interval.count()));
    const auto until = Clock::now() + 2 * interval;
    while (Clock::now() < until &&
           jobs.value("SELECT count(*)::text FROM provisioner_jobs WHERE completed_at IS NULL").value() !=
               "0") {
        std::this_thread::sleep_for(std::chrono::seconds(1));
        progress.step();
    }
    service.stop();
    service.waitUntilEnded(std::chrono::seconds(5));

    Row row{"latency at an interval of 60 s", "s"};
    row.note = "a plain interval: 30 on average";
    for (const auto& [job, crossing] : expected) {
        row.of(Side::detector)
            .add(std::stod(jobs.value("SELECT extract(epoch FROM completed_at - '" + crossing +
                                          "'::timestamptz)::text FROM provisioner_jobs WHERE id = $1::uuid",
                                      job)
                               .value()));
    }
    return row;
}

} // namespace HangDetection::Benchmark
