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

struct ThreadTime
/// What became of a thread's time so far.
{
    std::chrono::nanoseconds ran{};
    std::chrono::nanoseconds waitedForProcessor{};
    long blocked = 0;
    /// How often it gave its processor away, to sleep or because somebody else held a lock.

    static ThreadTime read(pid_t process, const std::string& thread);
    /// Of the thread of this name; nothing when there is none.
};

} // namespace HangDetection::Benchmark
