#pragma once

#include <string>

namespace HangDetection::Benchmark {

struct DetectorWork
/// What a detector has done so far, as its log tells.
{
    long terminated = 0;
    long busyMilliseconds = 0;
    int runs = 0;

    static DetectorWork read(const std::string& log);
    /// Throws std::runtime_error when the log has a run that failed.

    DetectorWork since(const DetectorWork& before) const
    {
        return {terminated - before.terminated, busyMilliseconds - before.busyMilliseconds,
                runs - before.runs};
    }
};

} // namespace HangDetection::Benchmark
