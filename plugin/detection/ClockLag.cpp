#include "ClockLag.h"

#include <algorithm>
#include <utility>

namespace HangDetection {

ClockLag::Verdict ClockLag::judge(std::optional<Milliseconds> heartbeatAge, Clock::time_point earlierLook,
                                  Clock::time_point look)
{
    if (heartbeatAge && *heartbeatAge <= tolerance) {
        _suspectedAt.reset();
        return std::exchange(_known, std::nullopt) ? Verdict::ended : Verdict::none;
    }
    // A heartbeat from after the earlier look may be the last one of a worker that has died since.
    const bool isBehind = heartbeatAge && *heartbeatAge > look - earlierLook + tolerance;
    if (_known) {
        // The lag cannot be more than the age of a heartbeat.
        if (heartbeatAge)
            _known = isBehind ? *heartbeatAge : std::min(*_known, *heartbeatAge);
        return Verdict::none;
    }
    // The earlier look is older than the suspicion, so the comparison shows nothing new.
    if (_suspectedAt && earlierLook < *_suspectedAt)
        return Verdict::none;
    if (!isBehind || !_suspectedAt) {
        _suspectedAt = isBehind ? std::optional(look) : std::nullopt;
        return Verdict::none;
    }
    _known = heartbeatAge;
    return Verdict::began;
}

std::chrono::seconds ClockLag::known() const
{
    return std::chrono::ceil<std::chrono::seconds>(_known.value_or(Milliseconds(0)));
}

} // namespace HangDetection
