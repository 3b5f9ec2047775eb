#pragma once

#include <chrono>
#include <optional>
#include <random>

namespace HangDetection {

class RetryPause
/// How long to wait before a run is tried again after one that failed: one second
/// first, then twice as long each time, until the next run comes anyway. Each pause is
/// shortened by a random part of up to a quarter, so that many detectors do not all
/// come back to a struggling server at the same moment.
{
public:
    using Milliseconds = std::chrono::milliseconds;

    RetryPause();

    std::optional<Milliseconds> next(Milliseconds interval);
    /// Nothing when the pause has grown to the interval, the time between two runs that
    /// do not fail.

    void reset() { _pause = first; }
    /// After a success: start with the shortest pause again.

    static constexpr Milliseconds first{1000};

private:
    Milliseconds _pause = first;
    std::minstd_rand _random;
};

} // namespace HangDetection
