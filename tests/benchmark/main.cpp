// The benchmark. No test; it asserts no time. See tests/benchmark/run for the options.

#include "DetectorBenchmark.h"
#include "SchedulerBenchmark.h"
#include "data/Connection.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <map>
#include <stdexcept>

namespace HangDetection::Benchmark {

namespace {

struct Options
{
    bool isLarge = false;
    bool hasNoLatency = false;
    bool isScheduler = false;
    bool isDatabaseHere = false;
    std::string repeat = "3";
    std::string json;
    std::string plots = ".";
};

Options optionsFrom(const std::vector<std::string>& arguments)
{
    Options options;
    const std::map<std::string, bool*> switches{{"--large", &options.isLarge},
                                                {"--no-latency", &options.hasNoLatency},
                                                {"--scheduler", &options.isScheduler},
                                                {"--database-here", &options.isDatabaseHere}};
    const std::map<std::string, std::string*> values{
        {"--repeat", &options.repeat}, {"--json", &options.json}, {"--plots", &options.plots}};
    for (auto argument = arguments.begin(); argument != arguments.end(); ++argument) {
        if (switches.contains(*argument)) {
            *switches.at(*argument) = true;
            continue;
        }
        if (!values.contains(*argument))
            throw std::invalid_argument("unknown option " + *argument);
        std::string& value = *values.at(*argument);
        if (++argument == arguments.end())
            throw std::invalid_argument(arguments.back() + " needs a value");
        value = *argument;
    }
    return options;
}

void run(const std::vector<std::string>& arguments)
{
    if (arguments.size() == 4 && arguments.front() == "--memory") {
        runForMemory(arguments.at(1), arguments.at(2), std::stoi(arguments.at(3)));
        return;
    }
    const Options options = optionsFrom(arguments);
    const int repeat =
        std::max(1, std::atoi(options.repeat.c_str())); // NOLINT(cert-err34-c): 1 will do for no number
    const Report report =
        options.isScheduler ? measureScheduler(repeat, options.isDatabaseHere)
                            : measureDetector(repeat, options.isLarge, !options.hasNoLatency, options.plots);
    showProgress("");
    report.print(std::cout);
    if (!options.json.empty())
        report.writeJson(options.json);
}

} // namespace

} // namespace HangDetection::Benchmark

int main(int argc, char** argv)
{
    HangDetection::prepareDatabaseLibraries();
    try {
        HangDetection::Benchmark::run({argv + 1, argv + argc});
        return 0;
    } catch (const std::exception& exception) {
        HangDetection::Benchmark::showProgress("");
        std::cerr << exception.what() << '\n';
        return 1;
    }
}
