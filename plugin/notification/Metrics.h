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
/// run. Each counter with known labels is there from the start, at 0, so that its first increase can be
/// seen. No label names a job, a workspace or a user. Observers that post something of their own at the
/// end of a run have to subscribe before it, so that this is in the file of that run.
///
/// Lives and is notified in the thread that runs the detector.
{
public:
    Metrics(Poco::NotificationCenter& center, Poco::Logger& logger, std::string_view cluster);
    /// Writes no file yet. Each sample has the label `cluster`, so that the files of two controllers in one
    /// directory have no series in common.

    void writeTo(const std::filesystem::path& file) { _file.moveTo(file); }
    /// From the next run on; see MetricsFile::moveTo.

    std::string text() const;
    /// In Prometheus' text format. The gauges of what no run has found out yet are left out.

private:
    using Counters = std::map<std::string, std::uint64_t>;
    /// By the labels, as the text has them.

    void onJobTerminated(const Termination& job);
    void onRunFinished(const RunStatistics& run);

    const std::string _cluster;
    /// The label, as the text has it.
    MetricsFile _file;
    Counters _runs;
    Counters _terminated;
    Counters _skipped;
    Counters _revived;
    Counters _allocations;
    std::uint64_t _jobErrors = 0;
    std::chrono::system_clock::time_point _lastSuccess;
    std::chrono::milliseconds _duration{0};
    bool _isDryRun = false;
    std::optional<bool> _isDatabaseUp;
    std::optional<JobCounts> _jobs;
    /// Of the last run that came to its search.
    bool _isHeld = false;

    Subscription<JobTerminated> _onTerminated;
    Subscription<JobSkipped> _onSkipped;
    Subscription<JobFailed> _onFailed;
    Subscription<JobRevived> _onRevived;
    Subscription<AllocationReleased> _onReleased;
    Subscription<AllocationKept> _onKept;
    Subscription<RunFinished> _onFinished;
};

} // namespace HangDetection
