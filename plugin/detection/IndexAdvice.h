#pragma once

#include "data/JobStore.h"

#include <Poco/NotificationCenter.h>

namespace HangDetection {

class IndexAdvice
/// Says once that searches take long for want of the index that packaging/sql/index.sql makes. Used
/// by one thread.
{
public:
    using Clock = std::chrono::steady_clock;

    explicit IndexAdvice(Poco::NotificationCenter& notifications) : _notifications(notifications) {}

    void searchTook(Clock::duration time, JobStore& store);
    /// Asks the database, once an hour at most, after a search that took long. Posts IndexMissing. Errors are
    /// left to the next run.

    void reset() { _nextLook = {}; }
    /// The database is another one.

private:
    Poco::NotificationCenter& _notifications;
    Clock::time_point _nextLook;
};

} // namespace HangDetection
