#include "Samples.h"

#include <algorithm>
#include <numeric>

namespace HangDetection::Benchmark {

double Samples::median() const
{
    std::vector<double> sorted = _values;
    std::sort(sorted.begin(), sorted.end());
    const auto half = sorted.size() / 2;
    return sorted.size() % 2 == 1 ? sorted.at(half) : (sorted.at(half - 1) + sorted.at(half)) / 2;
}

double Samples::mean() const
{
    return std::accumulate(_values.begin(), _values.end(), 0.0) / static_cast<double>(_values.size());
}

} // namespace HangDetection::Benchmark
