#include "EarlierLooks.h"

#include <utility>

namespace HangDetection {

std::optional<EarlierLooks::Earlier> EarlierLooks::find(Clock::time_point now) const
{
    return _last && now - _last->time >= _apart ? _last : _before;
}

void EarlierLooks::add(const Look& look, Clock::time_point now)
{
    if (_last && now - _last->time < _apart)
        return;
    _before = std::exchange(_last, Earlier{look, now});
}

void EarlierLooks::useSession(int number)
{
    if (std::exchange(_session, number) != number)
        forget();
}

void EarlierLooks::forget()
{
    _last.reset();
    _before.reset();
}

} // namespace HangDetection
