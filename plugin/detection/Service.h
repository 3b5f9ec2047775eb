#pragma once

#include "PeriodicTask.h"
#include "scheduler/Scheduler.h"

#include <Poco/Logger.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string_view>

namespace HangDetection {

class Service
/// Everything that init starts and fini stops. The detector's thread owns the parts that it uses. So a
/// Service may be destroyed during a run, and does not wait for its end.
{
public:
    Service(const std::filesystem::path& settingsFile, Poco::Logger& logger, std::string_view cluster,
            std::unique_ptr<Scheduler> scheduler = nullptr, bool writesMetrics = true);
    /// Reads hang_detector.conf, and starts nothing yet. While the file is wrong, no job is terminated, and
    /// the log says so every minute. The metrics name the cluster. The detector's thread owns the scheduler,
    /// and asks it for allocations. Without a scheduler no allocation is released. MetricsFile may be left to
    /// another process.

    void start() { _task.start(); }
    /// Starts the first run at once, in the detector's own thread. Call it once. Throws std::system_error
    /// when no thread can be started.

    void stop() noexcept { _task.stop(); }
    /// Asks the detector to stop, and returns at once.

    bool waitUntilEnded(std::chrono::milliseconds atMost) { return _task.waitUntilEnded(atMost); }
    /// True when the detector's thread has ended. Waits at most so long for it.

private:
    PeriodicTask _task;
};

} // namespace HangDetection
