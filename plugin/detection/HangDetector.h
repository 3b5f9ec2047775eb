#pragma once

#include "FailedJobs.h"
#include "MassHang.h"
#include "RetryPause.h"
#include "Settings.h"
#include "data/JobStore.h"
#include "notification/Notifications.h"

#include <Poco/NotificationCenter.h>

#include <chrono>
#include <optional>
#include <stop_token>

namespace HangDetection {

class HangDetector
/// Finds hung jobs and terminates them, one run at a time. Whoever wants to know
/// subscribes to the notifications that it posts: MassHangBegan and MassHangEnded,
/// JobTerminated, JobSkipped and JobFailed for each job of a run, then RunFinished,
/// always. Used by one thread, which also calls the subscribers.
{
public:
    HangDetector(Settings settings, Poco::NotificationCenter& notifications);
    /// Does not connect to the database yet.

    RunStatistics run(const std::stop_token& stop);
    /// One run. Ends early, with the cause in the statistics, when it is asked to
    /// stop, when RunTimeout has passed, or on an error that no job would escape.

    const Settings& settings() const { return _settings; }

    void use(Settings settings);
    /// From the next run on. What is known of a mass hang and of jobs that failed stays known,
    /// and so does the connection, unless its settings are new.

    std::optional<std::chrono::milliseconds> pauseAfter(const RunStatistics& statistics);
    /// How soon a run has to be tried again because of how the last one ended;
    /// nothing when the next tick is soon enough.

private:
    bool isHeld(const HungJobs& hung);
    void report(const Termination& job, RunStatistics& statistics);

    Settings _settings;
    std::optional<JobStore> _store;
    /// Made anew when its settings change; there always is one.
    Poco::NotificationCenter& _notifications;
    RetryPause _retryPause;
    MassHang _massHang;
    FailedJobs _failedJobs;
};

} // namespace HangDetection
