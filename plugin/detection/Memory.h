#pragma once

#include "CanceledJobs.h"
#include "ClockLag.h"
#include "EarlierLooks.h"
#include "FailedJobs.h"
#include "IndexAdvice.h"
#include "LockedJobs.h"
#include "LostAnswers.h"
#include "MassHang.h"
#include "OnceAnHour.h"
#include "RetryPause.h"
#include "Settings.h"
#include "TerminatedJobs.h"
#include "data/JobStore.h"
#include "scheduler/JobAllocations.h"
#include "scheduler/WorkerEnds.h"

#include <Poco/NotificationCenter.h>

#include <cstdint>
#include <memory>
#include <optional>

namespace HangDetection {

struct Memory
/// What the detector remembers between runs. Used by one thread.
{
    Settings settings;
    std::unique_ptr<JobStore> store;
    /// Never null. It is replaced when its settings change.
    Poco::NotificationCenter& notifications;
    JobAllocations allocations;
    WorkerEnds workerEnds;
    EarlierLooks looks;
    MassHang massHang;
    MassHang massStall;
    /// The same of jobs that are stalled.
    TerminatedJobs terminatedJobs;
    IndexAdvice indexAdvice;
    LockedJobs lockedJobs;
    CanceledJobs canceledJobs;
    ClockLag clockLag = {};
    RetryPause retryPause = {};
    LostAnswers lostAnswers = {};
    FailedJobs failedJobs = {};
    bool isConnectionTold = false;
    /// DatabaseConnected was posted.
    HourlyEvent unknownDaemons = {};
    /// The database does not say which jobs belong to a mark.
    HourlyEvent unknownStalls = {};
    /// Stalled jobs cannot be found or canceled.
    HourlyEvent pausedStalls = {};
    /// The same for want of a right, or because that takes too long: the next attempt comes in an hour.
    std::optional<std::int64_t> stalled = std::nullopt;
    /// How many jobs were stalled at the last search for them.
    OnceAnHour<JobId> withoutAllocation{FailedJobs::capacity};
    /// Jobs of which it was logged that their Slurm job has ended.
    OnceAnHour<JobId> previewedJobs{FailedJobs::capacity};
    OnceAnHour<JobId> previewedCancels{FailedJobs::capacity};
    /// Jobs of which a dry run logged that it would terminate or cancel them. They stay, so each is logged
    /// only once an hour, and jobs that are not logged yet come first.

    void forgetJobs()
    /// For a server that refuses what an earlier answer said, as after a garbled one.
    {
        looks.forget();
        terminatedJobs.forget();
        failedJobs = {};
        previewedJobs.clear();
        previewedCancels.clear();
    }
};

} // namespace HangDetection
