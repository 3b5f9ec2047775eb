#include "Plot.h"

#include "Report.h"

#include <Poco/NumberFormatter.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

namespace HangDetection::Benchmark {

namespace {

constexpr double left = 80;
constexpr double right = 530; // the names are beside the lines
constexpr double top = 50;
constexpr double bottom = 380;

constexpr std::array colours{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#666666"};

class Axis
/// From one power of ten to another, and where they are drawn.
{
public:
    Axis(const std::vector<double>& values, double from, double to)
        : _first(std::floor(std::log10(std::ranges::min(values)))),
          _last(std::max(std::ceil(std::log10(std::ranges::max(values))), _first + 1)),
          _from(from),
          _to(to)
    {}

    double at(double value) const
    {
        return _from + (std::log10(value) - _first) / (_last - _first) * (_to - _from);
    }

    std::map<double, std::string> ticks() const
    /// Where they are, and their texts.
    {
        std::map<double, std::string> texts;
        for (int power = static_cast<int>(_first); power <= static_cast<int>(_last); ++power) {
            const double value = std::pow(10, power);
            texts[at(value)] =
                power < 0 ? Poco::NumberFormatter::format(value, -power) : grouped(std::lround(value));
        }
        return texts;
    }

private:
    const double _first;
    const double _last;
    const double _from;
    const double _to;
};

std::string text(double x, double y, const std::string& attributes, const std::string& content)
{
    std::ostringstream stream;
    stream << "<text x='" << x << "' y='" << y << "' " << attributes << ">" << content << "</text>\n";
    return stream.str();
}

} // namespace

void Plot::add(const std::string& line, double x, double y)
{
    auto found = std::ranges::find(_lines, line, &Line::name);
    if (found == _lines.end())
        found = _lines.insert(_lines.end(), Line{line});
    found->points.emplace_back(x, y);
    _xs.push_back(x);
    _ys.push_back(y);
}

void Plot::writeSvg(const std::filesystem::path& file) const
{
    const Axis xAxis(_xs, left, right);
    const Axis yAxis(_ys, bottom, top);
    std::ofstream svg(file);
    svg << "<svg xmlns='http://www.w3.org/2000/svg' width='720' height='440' font-family='sans-serif'"
           " font-size='12'>\n<rect width='100%' height='100%' fill='white'/>\n"
        << text(left, 28, "font-size='16'", _title);
    for (const auto& [x, name] : xAxis.ticks())
        svg << "<path stroke='#dddddd' d='M" << x << ' ' << top << 'V' << bottom << "'/>\n"
            << text(x, bottom + 18, "text-anchor='middle'", name);
    for (const auto& [y, name] : yAxis.ticks())
        svg << "<path stroke='#dddddd' d='M" << left << ' ' << y << 'H' << right << "'/>\n"
            << text(left - 8, y + 4, "text-anchor='end'", name);
    svg << text((left + right) / 2, bottom + 42, "text-anchor='middle'", _xName)
        << text(-(top + bottom) / 2, 22, "text-anchor='middle' transform='rotate(-90)'", _yName);

    for (std::size_t i = 0; i < _lines.size(); ++i) {
        const double legend = top + 10 + 20 * static_cast<double>(i);
        const std::string colour = colours.at(i % colours.size());
        svg << "<g stroke-width='2' stroke='" << colour << "' fill='" << colour
            << "'>\n<polyline fill='none' points='";
        for (const auto& [x, y] : _lines.at(i).points)
            svg << xAxis.at(x) << ',' << yAxis.at(y) << ' ';
        svg << "'/>\n";
        for (const auto& [x, y] : _lines.at(i).points)
            svg << "<circle r='2' cx='" << xAxis.at(x) << "' cy='" << yAxis.at(y) << "'/>\n";
        svg << "<path d='M" << right + 15 << ' ' << legend << "h20'/>\n</g>\n"
            << text(right + 41, legend + 4, "", _lines.at(i).name);
    }
    svg << "</svg>\n";
    if (!svg.flush())
        throw std::runtime_error(file.string() + ": cannot be written");
}

} // namespace HangDetection::Benchmark
