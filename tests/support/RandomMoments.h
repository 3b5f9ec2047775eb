#pragma once

#include <Poco/Environment.h>

#include <chrono>
#include <random>
#include <string>

namespace HangDetection::Test {

class RandomMoments
/// Moments spread evenly over a time. The seed is random, unless the environment variable
/// HANG_DETECTOR_SEED gives one.
{
public:
    RandomMoments() : _seed(givenSeed()), _engine(static_cast<std::mt19937::result_type>(_seed)) {}

    unsigned long seed() const { return _seed; }

    std::chrono::microseconds within(std::chrono::microseconds whole)
    {
        return std::chrono::microseconds(
            std::uniform_int_distribution<std::chrono::microseconds::rep>(0, whole.count())(_engine));
    }

private:
    static unsigned long givenSeed()
    {
        const std::string given = Poco::Environment::get("HANG_DETECTOR_SEED", "");
        return given.empty() ? std::random_device{}() : std::stoul(given);
    }

    unsigned long _seed;
    std::mt19937 _engine;
};

} // namespace HangDetection::Test
