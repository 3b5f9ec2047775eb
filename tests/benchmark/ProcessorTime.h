#pragma once

#include <chrono>
#include <string>
#include <sys/types.h>

namespace HangDetection::Benchmark {

struct ProcessorTime
/// What a process has taken of the processors so far.
{
    std::chrono::milliseconds all{};
    std::chrono::milliseconds ofThread{};
    /// Of its thread of the name that was asked for.

    static ProcessorTime read(pid_t process, const std::string& thread);
};

} // namespace HangDetection::Benchmark
