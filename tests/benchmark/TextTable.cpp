#include "TextTable.h"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace HangDetection::Benchmark {

void TextTable::add(std::vector<std::string> line)
{
    line.resize(_columns.size());
    _lines.push_back(std::move(line));
}

void TextTable::print(std::ostream& stream) const
{
    std::vector<std::size_t> widths(_columns.size());
    for (const auto& line : _lines) {
        for (std::size_t i = 0; i < line.size(); ++i)
            widths.at(i) = std::max(widths.at(i), line.at(i).size());
    }
    for (const auto& line : _lines) {
        std::string text;
        for (std::size_t i = 0; i < line.size(); ++i) {
            const std::string padding(widths.at(i) - line.at(i).size(), ' ');
            text += (_columns.at(i) == Align::left ? line.at(i) + padding : padding + line.at(i)) + "  ";
        }
        stream << text.substr(0, text.find_last_not_of(' ') + 1) << '\n';
    }
}

std::string number(double value)
{
    std::ostringstream stream;
    stream << std::fixed;
    stream.precision(value >= 100 || value == std::floor(value) ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3);
    stream << value;
    return stream.str();
}

} // namespace HangDetection::Benchmark
