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
/// The detector at work: everything that init starts and fini stops. The parts that
/// the detector's thread uses belong to the thread, so a Service may be destroyed
/// while a run is still busy, and nothing waits for it.
{
public:
    Service(const std::filesystem::path& settingsFile, Poco::Logger& logger, std::string_view cluster,
            std::unique_ptr<Scheduler> scheduler = nullptr);
    /// Reads hang_detector.conf, and starts nothing yet. Throws SettingsError. The metrics name the
    /// cluster. The detector's thread owns the scheduler and asks it for allocations; without one none is
    /// released.

    void start() { _task.start(); }
    /// Starts the first run at once, in the detector's own thread. Call it once. Throws
    /// std::system_error when no thread can be had.

    void stop() noexcept { _task.stop(); }
    /// Tells the detector to stop, and returns at once.

    bool waitUntilEnded(std::chrono::milliseconds atMost) { return _task.waitUntilEnded(atMost); }
    /// True when the detector's thread has ended.

private:
    PeriodicTask _task;
};

} // namespace HangDetection
