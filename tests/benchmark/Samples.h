#pragma once

#include <vector>

namespace HangDetection::Benchmark {

class Samples
/// What one thing measured, repeatedly.
{
public:
    void add(double value) { _values.push_back(value); }

    bool isEmpty() const { return _values.empty(); }

    double median() const;
    double mean() const;
    /// Of at least one.

    const std::vector<double>& values() const { return _values; }

private:
    std::vector<double> _values;
};

} // namespace HangDetection::Benchmark
