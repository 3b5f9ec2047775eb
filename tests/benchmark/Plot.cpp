#include "Plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace HangDetection::Benchmark {

namespace {

constexpr double width = 720;
constexpr double height = 440;
constexpr double left = 80;
constexpr double right = 530; // the names are beside the lines
constexpr double top = 50;
constexpr double bottom = 380;

constexpr std::array<const char*, 6> colours{"#0072b2", "#d55e00", "#009e73",
                                             "#cc79a7", "#56b4e9", "#666666"};

class Axis
/// From one power of ten to another, and where they are drawn.
{
public:
    Axis(double least, double most, double from, double to)
        : _first(std::floor(std::log10(least))),
          _last(std::max(std::ceil(std::log10(most)), _first + 1)),
          _from(from),
          _to(to)
    {}

    double at(double value) const
    {
        return _from + (std::log10(value) - _first) / (_last - _first) * (_to - _from);
    }

    std::vector<double> ticks() const
    {
        std::vector<double> values;
        for (int power = static_cast<int>(_first); power <= static_cast<int>(_last); ++power)
            values.push_back(std::pow(10, power));
        return values;
    }

private:
    const double _first;
    const double _last;
    const double _from;
    const double _to;
};

std::string tickText(double value)
{
    std::ostringstream stream;
    stream << std::fixed;
    stream.precision(value < 1 ? static_cast<int>(std::round(-std::log10(value))) : 0);
    stream << value;
    std::string text = stream.str();
    for (int at = static_cast<int>(text.size()) - 3; value >= 1000 && at > 0; at -= 3)
        text.insert(static_cast<std::size_t>(at), ",");
    return text;
}

std::string text(double x, double y, const std::string& attributes, const std::string& content)
{
    std::ostringstream stream;
    stream << "<text x='" << x << "' y='" << y << "' " << attributes << ">" << content << "</text>\n";
    return stream.str();
}

std::string stroke(double x1, double y1, double x2, double y2, const std::string& attributes)
{
    std::ostringstream stream;
    stream << "<line x1='" << x1 << "' y1='" << y1 << "' x2='" << x2 << "' y2='" << y2 << "' " << attributes
           << "/>\n";
    return stream.str();
}

} // namespace

Plot::Plot(std::string title, std::string xName, std::string yName)
    : _title(std::move(title)), _xName(std::move(xName)), _yName(std::move(yName))
{}

void Plot::add(Line line)
{
    if (!line.points.empty())
        _lines.push_back(std::move(line));
}

void Plot::writeSvg(const std::filesystem::path& file) const
{
    std::vector<double> xs;
    std::vector<double> ys;
    for (const Line& line : _lines) {
        for (const auto& [x, y] : line.points) {
            xs.push_back(x);
            ys.push_back(y);
        }
    }
    if (xs.empty())
        return;
    const auto [leastX, mostX] = std::minmax_element(xs.begin(), xs.end());
    const auto [leastY, mostY] = std::minmax_element(ys.begin(), ys.end());
    const Axis xAxis(*leastX, *mostX, left, right);
    const Axis yAxis(*leastY, *mostY, bottom, top);

    std::ofstream svg(file);
    svg << "<svg xmlns='http://www.w3.org/2000/svg' width='" << width << "' height='" << height
        << "' font-family='sans-serif' font-size='12'>\n"
        << "<rect width='100%' height='100%' fill='white'/>\n"
        << text(left, 28, "font-size='16'", _title);
    for (const double tick : xAxis.ticks())
        svg << stroke(xAxis.at(tick), top, xAxis.at(tick), bottom, "stroke='#dddddd'")
            << text(xAxis.at(tick), bottom + 18, "text-anchor='middle'", tickText(tick));
    for (const double tick : yAxis.ticks())
        svg << stroke(left, yAxis.at(tick), right, yAxis.at(tick), "stroke='#dddddd'")
            << text(left - 8, yAxis.at(tick) + 4, "text-anchor='end'", tickText(tick));
    svg << text((left + right) / 2, bottom + 42, "text-anchor='middle'", _xName)
        << text(0, 0,
                "text-anchor='middle' transform='translate(22 " + std::to_string((top + bottom) / 2) +
                    ") rotate(-90)'",
                _yName);

    for (std::size_t i = 0; i < _lines.size(); ++i) {
        const std::string colour = colours.at(i % colours.size());
        svg << "<polyline fill='none' stroke-width='2' stroke='" << colour << "' points='";
        for (const auto& [x, y] : _lines.at(i).points)
            svg << xAxis.at(x) << ',' << yAxis.at(y) << ' ';
        svg << "'/>\n";
        for (const auto& [x, y] : _lines.at(i).points)
            svg << "<circle r='3' cx='" << xAxis.at(x) << "' cy='" << yAxis.at(y) << "' fill='" << colour
                << "'/>\n";
        const double y = top + 10 + 20 * static_cast<double>(i);
        svg << stroke(right + 15, y, right + 35, y, "stroke-width='2' stroke='" + colour + "'")
            << text(right + 41, y + 4, "", _lines.at(i).name);
    }
    svg << "</svg>\n";
    if (!svg.flush())
        throw std::runtime_error(file.string() + ": cannot be written");
}

} // namespace HangDetection::Benchmark
