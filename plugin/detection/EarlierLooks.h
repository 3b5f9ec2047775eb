#pragma once

#include "data/Job.h"

#include <chrono>
#include <optional>

namespace HangDetection {

class EarlierLooks
/// The last looks at the jobs. A job that was written since an earlier look is alive, whatever its
/// heartbeat says: Coder stamps it by a clock of its own, which may be behind. Used by one thread.
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
    /// Coder's workers report every half a second or every second, so each that is alive has
    /// reported in this time.

    Milliseconds apart() const { return _apart; }

    std::optional<Earlier> find(Clock::time_point now) const;
    /// The newest look that is long enough ago.

    void add(const Look& look, Clock::time_point now);

    void forget();

    void useSession(int number);
    /// Of the database. The looks of another session are of no use, and forgotten.

private:
    const Milliseconds _apart;
    std::optional<Earlier> _last;
    std::optional<Earlier> _before;
    /// Needed until the last one is long enough ago.
    int _session = 0;
};

} // namespace HangDetection
