#pragma once

#include "Memory.h"
#include "notification/Notifications.h"

#include <Poco/NotificationCenter.h>

#include <chrono>
#include <memory>
#include <stop_token>

namespace HangDetection {

class HangDetector
/// Finds hung and pending jobs and terminates them, or says in a dry run which it would
/// terminate, one run at a time. Each run posts notifications: ClockLagBegan and ClockLagEnded, MassHangBegan
/// and MassHangEnded, JobTerminated, JobWouldBeTerminated, JobSkipped and JobFailed for each job of a run,
/// then RunFinished, always. Used by one thread, which also calls the observers.
{
public:
    HangDetector(Settings settings, Poco::NotificationCenter& notifications,
                 std::unique_ptr<Scheduler> scheduler = nullptr,
                 std::chrono::milliseconds looksApart = EarlierLooks::defaultApart);
    /// Does not connect to the database yet. Without a scheduler no allocation is asked for, whatever
    /// ReleaseAllocations says. No running job is hung before two looks at it that are so far apart.

    RunStatistics run(const std::stop_token& stop);
    /// One run. Ends early, with the cause in the statistics, when it is asked to
    /// stop, when RunTimeout has passed, or on an error that no job would escape.

    const Settings& settings() const { return _memory.settings; }

    void use(Settings settings);
    /// From the next run on. What is known of a mass hang and of jobs that failed stays known,
    /// and so does the connection, unless its settings are new. The next run looks twice at jobs that
    /// seem hung. What dry runs logged is forgotten when they are over.

private:
    Memory _memory;
};

} // namespace HangDetection
