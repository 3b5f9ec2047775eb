#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace HangDetection::Benchmark {

class Plot
/// Lines on two logarithmic axes. All values are above zero.
{
public:
    Plot(std::string title, std::string xName, std::string yName)
        : _title(std::move(title)), _xName(std::move(xName)), _yName(std::move(yName))
    {}

    void add(const std::string& line, double x, double y);
    /// The next point of a line, from left to right.

    void writeSvg(const std::filesystem::path& file) const;
    /// Of one point at least. Throws std::runtime_error when the file cannot be written.

private:
    struct Line
    {
        std::string name;
        std::vector<std::pair<double, double>> points = {};
    };

    const std::string _title;
    const std::string _xName;
    const std::string _yName;
    std::vector<Line> _lines;
    std::vector<double> _xs;
    std::vector<double> _ys;
    /// Of all points.
};

} // namespace HangDetection::Benchmark
