#include "EarlierLooks.h"

#include <algorithm>
#include <utility>

namespace HangDetection {

using std::chrono::duration_cast;

void EarlierLooks::begin(Clock::time_point now, int session)
{
    const bool isOther = std::exchange(_session, session) != session;
    bool isLost = false;
    if (isOther) {
        forget();
        // If each session is lost, something between here and the server cuts it, and workers can report.
        isLost = !_mayBeInNewSession && !_wasLost;
        _wasLost = !_mayBeInNewSession;
        _sessionSince = now;
    } else if (now - _sessionSince > patience) {
        _wasLost = false;
    }
    const bool isLate = _due && now > *_due + patience;
    _isMissed = _isMissed || (_latest && (isLost || isLate));
    _mayBeInNewSession = false;
}

std::optional<EarlierLooks::Earlier> EarlierLooks::find(Clock::time_point now) const
{
    return _last && now - _last->time >= _apart ? _last : _before;
}

EarlierLooks::Delay EarlierLooks::delay(std::chrono::seconds threshold, Clock::time_point now) const
/// Goes back from now until a threshold has passed without the gaps.
{
    if (threshold.count() == 0 || (!_latest && !_isMissed))
        return {};
    if (!_latest)
        return {std::chrono::ceil<std::chrono::seconds>(now - _missedSince), threshold};
    const Microseconds present = _latest->time + duration_cast<Microseconds>(now - _latest->asked);
    Microseconds from = present;
    Microseconds left = threshold;
    Microseconds inGaps{0};
    const auto pass = [&](const Gap& gap) {
        if (from - gap.end >= left)
            return false;
        left -= from - gap.end;
        from = gap.begin;
        inGaps += gap.end - gap.begin;
        return true;
    };
    if (_isMissed)
        pass({_latest->time, present});
    for (auto gap = _gaps.rbegin(); gap != _gaps.rend() && pass(*gap); ++gap) {
    }
    return {std::chrono::ceil<std::chrono::seconds>(inGaps),
            inGaps.count() > 0 ? std::optional(left) : std::nullopt};
}

EarlierLooks::Added EarlierLooks::add(const Look& look, Clock::time_point asked, Clock::time_point answered)
{
    Added added;
    const bool wasMissed = std::exchange(_isMissed, false);
    if (!_latest && wasMissed)
        addGap({look.time - duration_cast<Microseconds>(answered - _missedSince), look.time});
    if (_latest) {
        const bool hasJumped = look.time - _latest->time > answered - _latest->asked + tolerance;
        const bool hasStalled = answered - asked > 2 * (_latest->answered - _latest->asked) + patience;
        added.isUnsure = hasJumped || hasStalled;
        // If the clock was set back, its later times come again.
        while (!_gaps.empty() && _gaps.back().begin >= look.time)
            _gaps.pop_back();
        if (!_gaps.empty())
            _gaps.back().end = std::min(_gaps.back().end, look.time);
        if ((wasMissed || added.isUnsure) && look.time > _latest->time) {
            added.gap = look.time - _latest->time;
            addGap({_latest->time, look.time});
        }
    }
    _latest = Answered{look.time, asked, answered};
    if (!_last || asked - _last->time >= _apart)
        _before = std::exchange(_last, Earlier{look, asked});
    return added;
}

void EarlierLooks::missed(Clock::time_point since)
{
    if (!std::exchange(_isMissed, true))
        _missedSince = since;
}

void EarlierLooks::addGap(const Gap& gap)
{
    if (!_gaps.empty() && gap.begin - _gaps.back().end < tolerance) {
        _gaps.back().end = gap.end;
        return;
    }
    _gaps.push_back(gap);
    if (_gaps.size() > capacity)
        _gaps.pop_front();
}

void EarlierLooks::expectNext(Clock::time_point due, bool mayBeInNewSession)
{
    _due = due;
    _mayBeInNewSession = mayBeInNewSession;
}

void EarlierLooks::forget()
{
    _last.reset();
    _before.reset();
}

} // namespace HangDetection
