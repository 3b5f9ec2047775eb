#pragma once

#include "Metrics.h"
#include "MetricsFile.h"
#include "Notifications.h"
#include "Subscription.h"

#include <Poco/Logger.h>
#include <Poco/NotificationCenter.h>

#include <filesystem>
#include <string_view>

namespace HangDetection {

class RunMetrics
/// The observer that counts, and writes the metrics file after each run. An observer that posts something at
/// the end of a run has to subscribe before this one, so that the file of that run has it.
///
/// Used only by the thread that runs the detector.
{
public:
    RunMetrics(Poco::NotificationCenter& center, Poco::Logger& logger, std::string_view cluster);
    /// Writes no file yet.

    void writeTo(const std::filesystem::path& file) { _file.moveTo(file); }
    /// From the next run on; see MetricsFile::moveTo.

private:
    void onRunFinished(const RunFinished& notification);

    Metrics _metrics;
    MetricsFile _file;
    Subscription<JobTerminated> _terminated;
    Subscription<JobSkipped> _skipped;
    Subscription<JobFailed> _failed;
    Subscription<JobRevived> _revived;
    Subscription<AllocationReleased> _released;
    Subscription<AllocationKept> _kept;
    Subscription<RunFinished> _finished;
};

} // namespace HangDetection
