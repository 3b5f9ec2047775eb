#pragma once

#include "data/Job.h"

#include <chrono>
#include <optional>

namespace HangDetection {

class EarlierLooks
/// The last looks at the jobs. A job that was written since an earlier look is alive, even if its heartbeat
/// is old: Coder stamps heartbeats by its own clock, which may be behind. Used by one thread.
{
public:
    using Clock = std::chrono::steady_clock;
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

    std::optional<Earlier> find(Clock::time_point now) const;
    /// The newest look that is at least apart() ago.

    void add(const Look& look, Clock::time_point now);

    void forget();

    void useSession(int number);
    /// Sets the number of the database session. A new number removes all looks, because they are valid only
    /// in their own session.

private:
    const Milliseconds _apart;
    std::optional<Earlier> _last;
    std::optional<Earlier> _before;
    /// find() returns this look until the last one is long enough ago.
    int _session = 0;
};

} // namespace HangDetection
