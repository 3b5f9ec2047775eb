#include "Readings.h"

#include "LogRecord.h"

#include <algorithm>
#include <cstdlib>
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

double threadMillisecondsOf(pid_t process, const std::string& thread)
{
    constexpr double nanosecondsPerMillisecond = 1e6;
    double nanoseconds = 0;
    for (const auto& task :
         std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
        std::string name;
        std::getline(std::ifstream(task.path() / "comm"), name);
        double ran = 0;
        if (name == thread && std::ifstream(task.path() / "schedstat") >> ran)
            nanoseconds += ran;
    }
    return nanoseconds / nanosecondsPerMillisecond;
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
