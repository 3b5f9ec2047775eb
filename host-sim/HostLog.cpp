#include "HostLog.h"

#include <string_view>

namespace HangDetection::Sim {

namespace {

/// Global, because Slurm's log functions are C functions without a context. The mutex makes sure that a
/// plugin's thread does not write to a log that is destroyed.
std::mutex currentMutex;
HostLog* current = nullptr;

/// The events with which the plugin reports a run (DIAGNOSTICS in job_submit_hang_detector(8)).
constexpr std::string_view runFinished = "job_submit/hang_detector: run finished ";
constexpr std::string_view runFailed = "job_submit/hang_detector: run failed ";

} // namespace

HostLog::HostLog(Printer printer) : _printer(std::move(printer))
{
    const std::lock_guard lock(currentMutex);
    current = this;
}

HostLog::~HostLog()
{
    const std::lock_guard lock(currentMutex);
    current = nullptr;
}

void HostLog::write(LogLevel level, const std::string& line)
{
    const std::lock_guard lock(_mutex);
    _printer(level, line);
    const bool isFailed = line.starts_with(runFailed);
    if (!isFailed && !line.starts_with(runFinished))
        return;
    ++_runs;
    if (isFailed)
        ++_failedRuns;
    _runReported.notify_all();
}

bool HostLog::waitForRuns(int runs, std::chrono::milliseconds atMost)
{
    std::unique_lock lock(_mutex);
    return _runReported.wait_for(lock, atMost, [&] { return _runs >= runs; });
}

int HostLog::runs() const
{
    const std::lock_guard lock(_mutex);
    return _runs;
}

int HostLog::failedRuns() const
{
    const std::lock_guard lock(_mutex);
    return _failedRuns;
}

void writeToHostLog(LogLevel level, const std::string& line)
{
    const std::lock_guard lock(currentMutex);
    if (current != nullptr)
        current->write(level, line);
}

} // namespace HangDetection::Sim
