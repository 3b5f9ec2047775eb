// The benchmark. No test; it asserts no time. See tests/benchmark/run for the options.

#include "DetectorBenchmark.h"
#include "SchedulerBenchmark.h"
#include "data/Connection.h"

#include <cstdlib>
#include <exception>
#include <iostream>
#include <map>

namespace HangDetection::Benchmark {

namespace {

struct Options
{
    std::map<std::string, bool> switches{
        {"--large", false}, {"--no-latency", false}, {"--scheduler", false}, {"--database-here", false}};
    std::map<std::string, std::string> values{{"--repeat", "3"}, {"--json", ""}, {"--plots", "."}};
};

Options optionsFrom(const std::vector<std::string>& arguments)
{
    Options options;
    for (auto argument = arguments.begin(); argument != arguments.end(); ++argument) {
        if (options.switches.contains(*argument)) {
            options.switches[*argument] = true;
            continue;
        }
        if (!options.values.contains(*argument))
            throw std::invalid_argument("unknown option " + *argument);
        std::string& value = options.values[*argument];
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
    const auto [switches, values] = optionsFrom(arguments);
    const int repeat = std::max(
        1, std::atoi(values.at("--repeat").c_str())); // NOLINT(cert-err34-c): 1 will do for no number
    const Report report = switches.at("--scheduler")
                              ? measureScheduler(repeat, switches.at("--database-here"))
                              : measureDetector(repeat, switches.at("--large"), !switches.at("--no-latency"),
                                                values.at("--plots"));
    showProgress("");
    report.print(std::cout);
    if (const std::string& json = values.at("--json"); !json.empty())
        report.writeJson(json);
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
