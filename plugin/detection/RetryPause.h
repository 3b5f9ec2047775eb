#pragma once

#include <chrono>
#include <optional>
#include <random>

namespace HangDetection {

class RetryPause
/// The pause between a run that failed and the next try. The first pause is one second. Each further pause is
/// twice as long, until the next run comes anyway. Each pause is shortened by a random part of up to a
/// quarter, so that many detectors do not all ask a server in trouble at the same moment.
{
public:
    using Milliseconds = std::chrono::milliseconds;

    RetryPause();

    std::optional<Milliseconds> next(Milliseconds interval);
    /// The next pause. No value when it would not be shorter than the interval, which is the time between two
    /// runs that do not fail.

    void reset() { _pause = first; }
    /// Call it after a success: the next pause is the shortest again.

    static constexpr Milliseconds first{1000};

private:
    Milliseconds _pause = first;
    std::minstd_rand _random;
};

} // namespace HangDetection
