#pragma once

#include <chrono>
#include <optional>

namespace HangDetection {

class ClockLag
/// By how much the clock that stamps the heartbeats is behind that of the database. It is behind
/// when a job was written after a look at the jobs, with the time of a moment before that look.
///
/// A row may also be written for another reason, so it takes two looks in a row. The lag counts
/// for all running jobs, as it is that of the newest heartbeat. It is over as soon as a heartbeat is fresh;
/// while no job reports it stays as it was. Used by one thread.
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
    /// What a look saw: the age of the newest heartbeat that was written since an earlier look, if
    /// there is one.

    bool isSuspected() const { return _suspectedAt && !_known; }
    /// Another look is to decide.

    std::chrono::seconds known() const;
    /// Zero when the clock is right, as far as is known.

    static constexpr std::chrono::seconds tolerance{30};
    /// A server or a network that is busy may take so long from the stamp to the row.

private:
    std::optional<Clock::time_point> _suspectedAt;
    std::optional<Milliseconds> _known;
};

} // namespace HangDetection
