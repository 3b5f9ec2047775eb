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
/// What the runs did since the start, in Prometheus' text format. Each counter with known
/// labels is there from the start, at 0, so that its first increase can be seen. No label
/// names a job, a workspace or a user.
{
public:
    explicit Metrics(std::string_view cluster);
    /// Each sample has the label `cluster`, so that the files of two controllers in one directory have no
    /// series in common.

    void add(const JobTerminated& notification);
    void add(const JobSkipped& notification);
    void add(const JobFailed& notification);
    void add(const JobRevived& notification);
    void add(const AllocationReleased& notification);
    void add(const AllocationKept& notification);

    void add(const RunFinished& notification, std::chrono::system_clock::time_point now);
    /// A run that did not come to its search says nothing of the jobs; their gauges keep the
    /// last values.

    std::string text() const;
    /// The gauges of what no run has found out yet are left out.

private:
    using Counters = std::map<std::string, std::uint64_t>;
    /// By the labels, as the text has them.

    std::string _cluster;
    /// The label, as the text has it.

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
