#pragma once

#include "Notifications.h"
#include "Subscription.h"

#include <Poco/Logger.h>
#include <Poco/NotificationCenter.h>

namespace HangDetection {

class AllocationLog
/// The observer that logs what happens to the allocations of terminated jobs. Used only by the thread that
/// runs the detector.
{
public:
    AllocationLog(Poco::NotificationCenter& center, Poco::Logger& logger);

private:
    void onKept(const AllocationKept& notification);

    Poco::Logger& _logger;
    Subscription<AllocationReleased> _released;
    Subscription<AllocationKept> _kept;
    Subscription<AllocationsUnknown> _unknown;
    Subscription<AllocationsKnown> _known;
};

} // namespace HangDetection
