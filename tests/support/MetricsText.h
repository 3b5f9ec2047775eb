#pragma once

#include <algorithm>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace HangDetection::Test {

inline std::string sampleLine(const std::string& sample)
/// Of a metrics file of the cluster `test`, with the ends of line around it. The sample is written
/// as `jobs_hung 4` or `runs_total{result="error"} 1`.
{
    const auto end = sample.find_first_of("{ ");
    const std::string rest = sample.at(end) == '{' ? ',' + sample.substr(end + 1) : '}' + sample.substr(end);
    return "\nhangdetector_" + sample.substr(0, end) + "{cluster=\"test\"" + rest + '\n';
}

inline std::vector<std::string> seriesIn(const std::string& metrics)
/// The name and labels of each sample, sorted.
{
    std::vector<std::string> series;
    std::istringstream lines(metrics);
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with('#'))
            series.push_back(line.substr(0, line.rfind(' ')));
    }
    std::sort(series.begin(), series.end());
    return series;
}

inline std::vector<std::string> sharedSeries(const std::string& metrics, const std::string& others)
{
    const std::vector<std::string> here = seriesIn(metrics);
    const std::vector<std::string> there = seriesIn(others);
    std::vector<std::string> shared;
    std::set_intersection(here.begin(), here.end(), there.begin(), there.end(), std::back_inserter(shared));
    return shared;
}

} // namespace HangDetection::Test
