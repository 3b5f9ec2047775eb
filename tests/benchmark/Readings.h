#pragma once

#include <filesystem>
#include <string>
#include <sys/types.h>

/// What can be read of processes, of Slurm and of a detector while they work.
namespace HangDetection::Benchmark {

double numberIn(const std::filesystem::path& status, const std::string& key);
/// The number after a key, such as `VmHWM:`, in a status file of /proc. Throws std::runtime_error
/// when it is not there.

double threadMillisecondsOf(pid_t process, const std::string& thread);
/// For how long the process's threads of this name ran so far; 0 when there is none.

struct DetectorWork
/// What a detector has done so far, as its log says.
{
    int terminated = 0;
    int busyMilliseconds = 0;
    int runs = 0;

    static DetectorWork read(const std::filesystem::path& log);
    /// Nothing without a log. Throws std::runtime_error when a run in it failed.

    DetectorWork since(const DetectorWork& before) const
    {
        return {terminated - before.terminated, busyMilliseconds - before.busyMilliseconds,
                runs - before.runs};
    }
};

enum class Scheduler
{
    main,
    backfill
};

double valueIn(const std::string& sdiag, Scheduler scheduler, const std::string& name);
/// From the output of sdiag. A mean is missing there before the first cycle: then it is 0.

} // namespace HangDetection::Benchmark
