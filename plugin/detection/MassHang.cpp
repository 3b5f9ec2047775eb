#include "MassHang.h"

#include <utility>

namespace HangDetection {

MassHang::Verdict MassHang::judge(const JobCounts& jobs, Clock::time_point now)
{
    if (_sighting && _sighting->goneSince && now - *_sighting->goneSince >= _limits.hold)
        _sighting.reset();

    const bool areManySilent = _limits.ratio > 0 && jobs.silent > _limits.minJobs &&
                               jobs.silent * 100 > jobs.running * _limits.ratio;
    if (areManySilent && (_sighting || jobs.hung > 0)) {
        if (!_sighting) {
            _sighting = Sighting{now};
            return Verdict::began;
        }
        _sighting->goneSince.reset();
        _sighting->isHeld = now - _sighting->first < _limits.hold;
        if (_sighting->isHeld)
            return Verdict::held;
    } else if (_sighting) {
        _sighting->isHeld = false;
        if (!_sighting->goneSince)
            _sighting->goneSince = now;
    }
    return _sighting && !std::exchange(_sighting->isEndTold, true) ? Verdict::ended : Verdict::none;
}

std::optional<MassHang::Clock::duration> MassHang::holdLeft(Clock::time_point now) const
{
    return _sighting && _sighting->isHeld ? std::optional(_sighting->first + _limits.hold - now)
                                          : std::nullopt;
}

} // namespace HangDetection
