#pragma once

#include "data/Job.h"

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>

namespace HangDetection {

class EarlierLooks
/// What the last looks at the jobs prove. Used by one thread, which passes the time.
///
/// A job that was written since an earlier look is alive, even if its heartbeat is old: Coder stamps
/// heartbeats by its own clock, which may be behind.
///
/// The time between two looks counts as silence only if workers could report in it. It is a gap, and does not
/// count, when a search failed or the session was lost in between, when the database's clock went on more
/// than the monotonic clock, when the next look came late, because the process or its machine stood still, or
/// when the database took much longer to answer than before. So after a gap a worker that is alive has a
/// whole threshold to report again, and a job that was hung before the gap does not wait.
///
/// A start follows each reconfiguration of Slurm, so it is no sign that workers could not report. All silence
/// before it counts.
{
public:
    using Clock = std::chrono::steady_clock;
    using Microseconds = std::chrono::microseconds;
    using Milliseconds = std::chrono::milliseconds;

    struct Earlier
    {
        Look look;
        Clock::time_point time;
    };

    explicit EarlierLooks(Milliseconds apart) : _apart(apart) {}

    static constexpr std::chrono::seconds defaultApart{3};
    /// Coder's workers report every half a second or every second. So each worker that is alive reports
    /// within this time.

    Milliseconds apart() const { return _apart; }

    void begin(Clock::time_point now, int session);
    /// Call it before each look, with the number of the database session. A new number removes the looks,
    /// because they are valid only in their own session.

    std::optional<Earlier> find(Clock::time_point now) const;
    /// The newest look that is at least apart() ago.

    struct Delay
    {
        std::chrono::seconds length{0};
        /// The gaps of that time. A job has to be silent so much longer than its threshold.
        std::optional<Microseconds> changesIn = std::nullopt;
        /// When the oldest of these gaps no longer counts.
    };

    Delay delay(std::chrono::seconds threshold, Clock::time_point now) const;

    struct Added
    {
        Microseconds gap{0};
        /// The time before this look that does not count; 0 when it counts.
        bool isUnsure = false;
        /// That was not known before the look, so the look took too many jobs for hung.
    };

    Added add(const Look& look, Clock::time_point asked, Clock::time_point answered);
    /// Call it after each look.

    void missed(Clock::time_point since);
    /// Call it when a search failed, or when the next look is at another database.

    void expectNext(Clock::time_point due, bool mayBeInNewSession = false);
    /// When the next look is due. It may be in a new session when a termination ended this one.

    void expectNewSession() { _mayBeInNewSession = true; }
    /// For a next look that is in a new session for a reason of our own.

    void forget();
    /// No look is earlier than the next one. Gaps stay known.

    static constexpr std::chrono::seconds tolerance{3};
    /// The difference between two clocks that is no gap. A live worker reports within this time.

    static constexpr std::chrono::seconds patience{10};
    /// A look that comes no later, or an answer that takes no longer than this, is no sign of a gap: the
    /// machine may be busy.

private:
    struct Answered
    {
        Microseconds time;
        Clock::time_point asked;
        Clock::time_point answered;
    };

    struct Gap
    /// By the database's clock.
    {
        Microseconds begin;
        Microseconds end;
    };

    void addGap(const Gap& gap);

    static constexpr std::size_t capacity = 1000;
    /// Between two gaps are tolerance at least, so these are the gaps of an hour or more.

    const Milliseconds _apart;
    std::optional<Earlier> _last;
    std::optional<Earlier> _before;
    /// find() returns this look until the last one is long enough ago.
    std::optional<Answered> _latest;
    std::deque<Gap> _gaps;
    std::optional<Clock::time_point> _due;
    int _session = 0;
    Clock::time_point _sessionSince;
    bool _wasLost = false;
    /// The session before this one was lost between two looks, and this one is young.
    bool _mayBeInNewSession = true;
    bool _isMissed = false;
    Clock::time_point _missedSince;
    /// Counts while there was no look yet.
};

} // namespace HangDetection
