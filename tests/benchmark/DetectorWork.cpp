#include "DetectorWork.h"

#include "LogRecord.h"

#include <sstream>
#include <stdexcept>

namespace HangDetection::Benchmark {

DetectorWork DetectorWork::read(const std::string& log)
{
    DetectorWork work;
    std::istringstream lines(log);
    for (std::string line; std::getline(lines, line);) {
        if (line.find("job_submit/hang_detector: run failed") != std::string::npos)
            throw std::runtime_error(line);
        const auto at = line.find("run finished terminated=");
        // The last line may not be written to its end.
        if (at == std::string::npos || lines.eof())
            continue;
        ++work.runs;
        for (const auto& [key, value] : Test::LogRecord::read(line.substr(at)).pairs) {
            if (key == "terminated")
                work.terminated += std::stol(value);
            else if (key == "duration_ms")
                work.busyMilliseconds += std::stol(value);
        }
    }
    return work;
}

} // namespace HangDetection::Benchmark
