#include "RetryPause.h"

namespace HangDetection {

RetryPause::RetryPause() : _random(std::random_device{}()) {}

std::optional<RetryPause::Milliseconds> RetryPause::next(Milliseconds interval)
{
    if (_pause >= interval)
        return std::nullopt;
    std::uniform_int_distribution<Milliseconds::rep> shortening(0, _pause.count() / 4);
    const Milliseconds pause = _pause - Milliseconds(shortening(_random));
    _pause *= 2;
    return pause;
}

} // namespace HangDetection
