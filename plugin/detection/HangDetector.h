#pragma once

#include "Memory.h"
#include "notification/Notifications.h"

#include <Poco/NotificationCenter.h>

#include <chrono>
#include <memory>
#include <stop_token>

namespace HangDetection {

class HangDetector
/// Finds hung and pending jobs and terminates them. A dry run only says which jobs it would terminate. A run
/// posts what it finds and does (Notifications.h), and always RunFinished at its end. Used by one thread,
/// which also calls the observers.
{
public:
    HangDetector(const Settings& settings, Poco::NotificationCenter& notifications,
                 std::unique_ptr<Scheduler>&& scheduler = nullptr,
                 std::chrono::milliseconds looksApart = EarlierLooks::defaultApart);
    /// Does not connect to the database yet. Without a scheduler no allocation is asked for, even with
    /// ReleaseAllocations=yes. A running job counts as hung only after two looks that are at least looksApart
    /// apart.

    RunStatistics run(const std::stop_token& stop);
    /// One run. It ends early when a stop is requested, when RunTimeout has passed, or on an error that every
    /// job would get. The statistics then hold the cause.

    const Settings& settings() const { return _memory.settings; }

    void use(Settings settings);
    /// The settings count from the next run on. What is known about a mass hang and about failed jobs stays
    /// known. The connection stays open, unless Connection or RunTimeout changes. The next run looks twice at
    /// jobs that seem hung. When DryRun is off, the detector forgets what dry runs logged.

private:
    Memory _memory;
};

} // namespace HangDetection
