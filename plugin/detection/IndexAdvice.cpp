#include "IndexAdvice.h"

#include "notification/Notifications.h"

#include <chrono>

namespace HangDetection {

namespace {

/// With an index a search takes about a millisecond.
constexpr std::chrono::milliseconds slow{50};

} // namespace

void IndexAdvice::searchTook(Clock::duration time, JobStore& store)
{
    if (time < slow || Clock::now() < _nextLook)
        return;
    _nextLook = Clock::now() + std::chrono::hours(1);
    try {
        if (!store.wantsIndex())
            return;
    } catch (const DatabaseError&) {
        // This error does not make the run fail.
        return;
    }
    _nextLook = Clock::time_point::max();
    _notifications.postNotification(
        new IndexMissing(std::chrono::duration_cast<std::chrono::milliseconds>(time)));
}

} // namespace HangDetection
