#pragma once

#include <chrono>
#include <optional>

namespace HangDetection {

class ClockLag
/// How much the clock that stamps the heartbeats is behind the database's clock. It is behind when a job was
/// written after a look at the jobs, but with a time from before that look.
///
/// A row may also be written for another reason, so two looks in a row have to show the lag. The lag counts
/// for all running jobs, because it is that of the newest heartbeat. It ends as soon as a heartbeat is fresh.
/// While no job reports, it stays as it was. Used by one thread.
{
public:
    using Clock = std::chrono::steady_clock;
    using Milliseconds = std::chrono::milliseconds;

    enum class Verdict
    {
        none,
        began,
        ended
    };

    Verdict judge(std::optional<Milliseconds> heartbeatAge, Clock::time_point earlierLook,
                  Clock::time_point look);
    /// Call it once for each look. heartbeatAge is the age of the newest heartbeat that was written since the
    /// earlier look, if there is one.

    bool isSuspected() const { return _suspectedAt && !_known; }
    /// True when one look showed a lag. The next look decides.

    std::chrono::seconds known() const;
    /// The lag. Zero when no lag is known.

    static constexpr std::chrono::seconds tolerance{30};
    /// On a busy server or network, so much time may pass from the stamp to the write of the row.

private:
    std::optional<Clock::time_point> _suspectedAt;
    std::optional<Milliseconds> _known;
};

} // namespace HangDetection
