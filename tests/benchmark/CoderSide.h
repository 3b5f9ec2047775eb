#pragma once

#include "CoderDetector.h"
#include "Contender.h"

#include <string>

namespace HangDetection::Benchmark {

class CoderSide : public Contender
/// The work statement by statement, as the detector in a Coder server does it.
{
public:
    using Era = Test::CoderDetector::Era;

    CoderSide(const std::string& connectionString, Era era, int mostJobs)
        : _detector(connectionString, era, mostJobs)
    {}

    int run() override
    {
        const auto before = _detector.terminated().size();
        _detector.run();
        return static_cast<int>(_detector.terminated().size() - before);
    }

private:
    Test::CoderDetector _detector;
};

} // namespace HangDetection::Benchmark
