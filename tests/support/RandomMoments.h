#pragma once

#include <Poco/Environment.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <string>

namespace HangDetection::Test {

class RandomMoments
/// Moments of a time that are spread over all of it: one in each of equal parts, at random
/// within the part. The seed is random, too, unless HANG_DETECTOR_SEED in the environment
/// gives it.
{
public:
    RandomMoments(std::chrono::microseconds whole, int count)
        : _part(whole / count), _seed(givenSeed()), _engine(static_cast<std::mt19937::result_type>(_seed))
    {}

    unsigned long seed() const { return _seed; }

    std::chrono::microseconds next()
    {
        using Ticks = std::chrono::microseconds::rep;
        return _part * _taken++ +
               std::chrono::microseconds(std::uniform_int_distribution<Ticks>(0, _part.count())(_engine));
    }

    template <typename Run>
    static std::chrono::microseconds durationOf(Run run)
    /// The shortest of a few, as a run may be slow for reasons of its own.
    {
        using Clock = std::chrono::steady_clock;
        auto shortest = Clock::duration::max();
        for (int i = 0; i < 3; ++i) {
            const auto start = Clock::now();
            run();
            shortest = std::min(shortest, Clock::now() - start);
        }
        return std::chrono::duration_cast<std::chrono::microseconds>(shortest);
    }

private:
    static unsigned long givenSeed()
    {
        const std::string given = Poco::Environment::get("HANG_DETECTOR_SEED", "");
        return given.empty() ? std::random_device{}() : std::stoul(given);
    }

    const std::chrono::microseconds _part;
    const unsigned long _seed;
    std::mt19937 _engine;
    int _taken = 0;
};

} // namespace HangDetection::Test
