#pragma once

#include "ClockLag.h"
#include "EarlierLooks.h"
#include "FailedJobs.h"
#include "IndexAdvice.h"
#include "MassHang.h"
#include "OnceAnHour.h"
#include "RetryPause.h"
#include "Settings.h"
#include "TerminatedJobs.h"
#include "data/JobStore.h"
#include "scheduler/JobAllocations.h"

#include <Poco/NotificationCenter.h>

#include <memory>

namespace HangDetection {

struct Memory
/// What the detector remembers between runs. Used by one thread.
{
    Settings settings;
    std::unique_ptr<JobStore> store;
    /// Made anew when its settings change; there always is one.
    Poco::NotificationCenter& notifications;
    JobAllocations allocations;
    EarlierLooks looks;
    MassHang massHang;
    TerminatedJobs terminatedJobs;
    IndexAdvice indexAdvice;
    ClockLag clockLag = {};
    RetryPause retryPause = {};
    FailedJobs failedJobs = {};
    OnceAnHour<JobId> previewedJobs{FailedJobs::capacity};
    /// Of which a dry run logged that it would terminate them. As they stay, each is logged once an hour,
    /// and the other jobs come before it.
};

} // namespace HangDetection
