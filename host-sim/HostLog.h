#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>

namespace HangDetection::Sim {

enum class LogLevel
/// The levels of Slurm's log that a plugin can write to.
{
    error,
    info,
    verbose,
    debug,
};

class HostLog
/// The log that the loaded plugin writes to. Passes each line to the printer, and counts the runs that the
/// plugin reports. Any thread may write to it.
{
public:
    using Printer = std::function<void(LogLevel, const std::string&)>;

    explicit HostLog(Printer printer);
    /// Until it is destroyed, Slurm's log functions write to this log. The printer is called for one line at
    /// a time.

    ~HostLog();

    HostLog(const HostLog&) = delete;
    HostLog& operator=(const HostLog&) = delete;

    void write(LogLevel level, const std::string& line);
    /// One line of the plugin, without its newline.

    bool waitForRuns(int runs, std::chrono::milliseconds atMost);
    /// Waits until the plugin has reported this many finished runs, failed ones included. False when the time
    /// is over first.

    int runs() const;
    /// How many finished runs the plugin has reported, failed ones included.

    int failedRuns() const;
    /// How many of these runs ended with an error.

private:
    const Printer _printer;
    mutable std::mutex _mutex;
    std::condition_variable _runReported;
    int _runs = 0;
    int _failedRuns = 0;
};

void writeToHostLog(LogLevel level, const std::string& line);
/// Writes to the HostLog of this process; without one the line is dropped.

} // namespace HangDetection::Sim
