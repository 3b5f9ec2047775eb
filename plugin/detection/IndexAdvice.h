#pragma once

#include "data/JobStore.h"

#include <Poco/NotificationCenter.h>

namespace HangDetection {

class IndexAdvice
/// Posts once that searches take long because the index of packaging/sql/index.sql is missing. Used by one
/// thread.
{
public:
    using Clock = std::chrono::steady_clock;

    explicit IndexAdvice(Poco::NotificationCenter& notifications) : _notifications(notifications) {}

    void searchTook(Clock::duration time, JobStore& store);
    /// After a search that took long, asks the database whether the index is missing, at most once an hour.
    /// Posts IndexMissing if it is. Errors are left to the next run.

    void reset() { _nextLook = {}; }
    /// For another database: asks again, and may post again.

private:
    Poco::NotificationCenter& _notifications;
    Clock::time_point _nextLook;
};

} // namespace HangDetection
