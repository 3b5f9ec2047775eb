#include "Samples.h"

#include <algorithm>

namespace HangDetection::Benchmark {

double Samples::median() const
{
    std::vector<double> sorted = _values;
    std::sort(sorted.begin(), sorted.end());
    const auto half = sorted.size() / 2;
    return sorted.size() % 2 == 1 ? sorted.at(half) : (sorted.at(half - 1) + sorted.at(half)) / 2;
}

} // namespace HangDetection::Benchmark
