#include "Readings.h"

#include "LogRecord.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <stdexcept>

namespace HangDetection::Benchmark {

double numberIn(const std::filesystem::path& status, const std::string& key)
{
    std::ifstream stream(status);
    for (std::string word; stream >> word;) {
        double number = 0;
        if (word == key && stream >> number)
            return number;
    }
    throw std::runtime_error(status.string() + " has no " + key);
}

double processorMillisecondsOf(pid_t process)
{
    clockid_t clock{};
    timespec time{};
    if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &time) != 0)
        throw std::runtime_error("the processor time of process " + std::to_string(process) +
                                 " cannot be read");
    const auto taken = std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    return std::chrono::duration<double, std::milli>(taken).count();
}

ThreadTime ThreadTime::read(pid_t process, const std::string& thread)
{
    constexpr double nanosecondsPerMillisecond = 1e6;
    const std::string tasks = "/proc/" + std::to_string(process) + "/task";
    ThreadTime time;
    for (const auto& task : std::filesystem::directory_iterator(tasks)) {
        std::string name;
        std::getline(std::ifstream(task.path() / "comm"), name);
        if (name != thread)
            continue;
        double ran = 0;
        double waited = 0;
        std::ifstream(task.path() / "schedstat") >> ran >> waited;
        time.ran += ran / nanosecondsPerMillisecond;
        time.waited += waited / nanosecondsPerMillisecond;
        time.blocked += numberIn(task.path() / "status", "voluntary_ctxt_switches:");
    }
    return time;
}

DetectorWork DetectorWork::read(const std::filesystem::path& log)
{
    DetectorWork work;
    std::ifstream lines(log);
    for (std::string line; std::getline(lines, line);) {
        if (line.find("job_submit/hang_detector: run failed") != std::string::npos)
            throw std::runtime_error(line);
        const auto at = line.find("run finished terminated=");
        // The last line may not be written to its end.
        if (at == std::string::npos || lines.eof())
            continue;
        const auto pairs = Test::LogRecord::read(line.substr(at)).pairs;
        const std::map<std::string, std::string> values(pairs.begin(), pairs.end());
        work.terminated += std::stoi(values.at("terminated"));
        work.busyMilliseconds += std::stoi(values.at("duration_ms"));
        ++work.runs;
    }
    return work;
}

double valueIn(const std::string& sdiag, Scheduler scheduler, const std::string& name)
{
    const auto backfillAt = std::min(sdiag.find("Backfilling stats"), sdiag.size());
    const std::string section =
        scheduler == Scheduler::main ? sdiag.substr(0, backfillAt) : sdiag.substr(backfillAt);
    const auto at = section.find("\t" + name + ": ");
    return at == std::string::npos ? 0 : std::strtod(section.c_str() + at + name.size() + 3, nullptr);
}

} // namespace HangDetection::Benchmark
