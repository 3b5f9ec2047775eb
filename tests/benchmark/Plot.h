#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace HangDetection::Benchmark {

struct Line
/// One line of a plot, with its points from left to right.
{
    std::string name;
    std::vector<std::pair<double, double>> points = {};
};

class Plot
/// Lines on two logarithmic axes. All values are above zero.
{
public:
    Plot(std::string title, std::string xName, std::string yName);

    void add(Line line);
    /// One without points is left out.

    void writeSvg(const std::filesystem::path& file) const;

private:
    const std::string _title;
    const std::string _xName;
    const std::string _yName;
    std::vector<Line> _lines;
};

} // namespace HangDetection::Benchmark
