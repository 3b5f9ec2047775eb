#pragma once

#include "Notifications.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace HangDetection {

class Metrics
/// What the runs did since the start, in Prometheus' text format. Counters whose labels are known start at 0,
/// so that Prometheus sees their first increase. No label names a job, a workspace or a user.
{
public:
    explicit Metrics(std::string_view cluster);
    /// Each sample has the label `cluster`. Without it, the files of two controllers in one directory would
    /// have the same series.

    void add(const JobTerminated& notification);
    void add(const JobSkipped& notification);
    void add(const JobFailed& notification);
    void add(const JobRevived& notification);
    void add(const AllocationReleased& notification);
    void add(const AllocationKept& notification);

    void add(const RunFinished& notification, std::chrono::system_clock::time_point now);
    /// After a run that ended before its search, the gauges of jobs keep their last values.

    std::string text() const;
    /// Leaves out gauges whose value no run has found out yet.

private:
    using Counters = std::map<std::string, std::uint64_t>;
    /// The key is the labels, as they stand in the text.

    std::string _cluster;
    /// The label, as it stands in the text.

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
    bool _isHeld = false;
};

} // namespace HangDetection
