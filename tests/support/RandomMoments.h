#pragma once

#include <Poco/Environment.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <random>
#include <string>
#include <utility>

namespace HangDetection::Test {

class RandomMoments
/// Moments of a time that are spread over all of it: one in each of equal parts, at random
/// within the part. The seed is random, too, unless HANG_DETECTOR_SEED in the environment
/// gives it.
///
/// On a machine with much else to do the time may be another one when a moment comes. So
/// when too few have hit what they are meant for, it is measured again, and more are taken.
{
public:
    using Moment = std::chrono::microseconds;

    RandomMoments(std::function<Moment()> measure, int count, int leastHits)
        : _measure(std::move(measure)),
          _count(count),
          _leastHits(leastHits),
          _seed(givenSeed()),
          _engine(static_cast<std::mt19937::result_type>(_seed))
    {}

    static unsigned long givenSeed()
    {
        const std::string given = Poco::Environment::get("HANG_DETECTOR_SEED", "");
        return given.empty() ? std::random_device{}() : std::stoul(given);
    }

    unsigned long seed() const { return _seed; }

    bool areLeft() const { return _taken < _count || (!haveHit() && _taken < mostRounds * _count); }
    /// Until so many were taken, or several times as many while too few have hit.

    Moment next()
    /// May measure before.
    {
        const int part = _taken++ % _count;
        if (part == 0)
            _part = _measure() / _count;
        return _part * part + Moment(std::uniform_int_distribution<Moment::rep>(0, _part.count())(_engine));
    }

    void note(bool isHit) { _hits += isHit ? 1 : 0; }
    /// Whether the moment that was taken last has hit.

    int taken() const { return _taken; }
    int hits() const { return _hits; }
    bool haveHit() const { return _hits >= _leastHits; }

    template <typename Prepare, typename Run>
    static Moment durationOf(Prepare prepare, Run run)
    /// The shortest of a few, as a run may be slow for reasons of its own.
    {
        using Clock = std::chrono::steady_clock;
        auto shortest = Clock::duration::max();
        for (int i = 0; i < 3; ++i) {
            prepare();
            const auto start = Clock::now();
            run();
            shortest = std::min(shortest, Clock::now() - start);
        }
        return std::chrono::duration_cast<Moment>(shortest);
    }

private:
    static constexpr int mostRounds = 3;

    const std::function<Moment()> _measure;
    const int _count;
    const int _leastHits;
    const unsigned long _seed;
    std::mt19937 _engine;
    Moment _part{0};
    int _taken = 0;
    int _hits = 0;
};

} // namespace HangDetection::Test
