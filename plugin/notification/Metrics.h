#pragma once

#include "MetricsFile.h"
#include "Notifications.h"
#include "Subscription.h"

#include <Poco/Logger.h>
#include <Poco/NotificationCenter.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace HangDetection {

class Metrics
/// The observer that counts what the runs did since the start, and writes the metrics file after each
/// run. Counters whose labels are known start at 0, so that Prometheus sees their first increase. No label
/// names a job, a workspace or a user.
///
/// Used only by the thread that runs the detector.
{
public:
    Metrics(Poco::NotificationCenter& center, Poco::Logger& logger, std::string_view cluster);
    /// Writes no file yet. Each sample has the label `cluster`. Without it, the files of two controllers in
    /// one directory would have the same series.

    void writeTo(const std::filesystem::path& file) { _file.moveTo(file); }
    /// From the next run on; see MetricsFile::moveTo.

    void setSettingsValid(bool isValid) { _areSettingsValid = isValid; }
    /// Whether the settings in force are those of the file.

    std::string text() const;
    /// In Prometheus' text format. Leaves out gauges whose value no run has found out yet.

private:
    using Counters = std::map<std::string, std::uint64_t>;
    /// The key is the labels, as they stand in the text.

    void onJobTerminated(const Termination& job);
    void onRunFinished(const RunStatistics& run);

    const std::string _cluster;
    /// The label, as it stands in the text.
    MetricsFile _file;
    Counters _runs;
    Counters _terminated;
    Counters _skipped;
    Counters _revived;
    Counters _allocations;
    std::uint64_t _canceled = 0;
    std::uint64_t _jobErrors = 0;
    std::chrono::system_clock::time_point _lastSuccess;
    std::chrono::milliseconds _duration{0};
    bool _isDryRun = false;
    bool _areSettingsValid = true;
    std::optional<bool> _isDatabaseUp;
    std::optional<JobCounts> _jobs;
    /// Of the last run that came to its search.
    bool _isHeld = false;
    bool _areStallsHeld = false;
    std::optional<std::int64_t> _leftover;
    std::optional<std::int64_t> _withoutAllocation;

    Subscription<JobTerminated> _onTerminated;
    Subscription<JobCanceled> _onCanceled;
    Subscription<JobSkipped> _onSkipped;
    Subscription<JobFailed> _onFailed;
    Subscription<JobRevived> _onRevived;
    Subscription<AllocationReleased> _onReleased;
    Subscription<AllocationKept> _onKept;
    Subscription<RunFinished> _onFinished;
};

} // namespace HangDetection
