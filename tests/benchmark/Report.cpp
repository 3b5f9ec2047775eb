#include "Report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace HangDetection::Benchmark {

namespace {

constexpr std::array<const char*, sides> names{"detector", "statements2023", "statements2026", "psql"};

std::string number(double value)
/// With three digits that matter; large ones whole.
{
    std::array<char, 32> text{};
    const int decimals = value >= 100 || value == std::floor(value) ? 0
                         : value >= 10                              ? 1
                         : value >= 1                               ? 2
                                                                    : 3;
    std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
    return text.data();
}

std::string ratio(const Row& row, Side to)
{
    if (row.of(Side::detector).isEmpty() || row.of(to).isEmpty() || row.of(to).median() == 0)
        return "-";
    return number(row.of(Side::detector).median() / row.of(to).median());
}

std::vector<std::string> cellsOf(const Row& row)
{
    std::vector<std::string> cells{row.what, row.unit};
    for (const Samples& samples : row.samples)
        cells.push_back(samples.isEmpty() ? "-" : number(samples.median()));
    for (const Side side : {Side::statements2023, Side::statements2026, Side::psql})
        cells.push_back(ratio(row, side));
    cells.push_back(row.note);
    return cells;
}

std::string quoted(const std::string& text)
/// Of plain text, without control characters.
{
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            result += '\\';
        result += c;
    }
    return result + '"';
}

void writeValues(std::ostream& stream, const Samples& samples)
{
    stream << "{\"median\": " << samples.median() << ", \"values\": [";
    const char* separator = "";
    for (const double value : samples.values()) {
        stream << separator << value;
        separator = ", ";
    }
    stream << "]}";
}

} // namespace

void Report::print(std::ostream& stream) const
{
    std::vector<std::vector<std::string>> lines{
        {"", "", "", "by stmt.", "by stmt.", "", "to", "to", "to", ""},
        {"median of", "unit", "detector", "of 2023", "of 2026", "psql", "2023", "2026", "psql", ""}};
    for (const Row& row : _rows)
        lines.push_back(cellsOf(row));
    std::vector<std::size_t> widths(lines.front().size());
    for (const auto& line : lines) {
        for (std::size_t i = 0; i < line.size(); ++i)
            widths.at(i) = std::max(widths.at(i), line.at(i).size());
    }
    constexpr std::size_t texts = 2;
    for (const auto& line : lines) {
        std::string text;
        for (std::size_t i = 0; i < line.size(); ++i) {
            const std::string padding(widths.at(i) - line.at(i).size(), ' ');
            const bool isText = i < texts || i + 1 == line.size();
            text += (isText ? line.at(i) + padding : padding + line.at(i)) + "  ";
        }
        stream << text.substr(0, text.find_last_not_of(' ') + 1) << '\n';
    }
    stream << "\nto 2023, 2026, psql: the detector's figure divided by that of the other; "
              "below 1 is better for times, above 1 for speeds\n";
    for (const auto& [name, value] : _facts)
        stream << name << ": " << value << '\n';
}

void Report::writeJson(const std::filesystem::path& file) const
{
    std::ofstream stream(file);
    stream << "{\n  \"facts\": {";
    const char* separator = "\n";
    for (const auto& [name, value] : _facts) {
        stream << separator << "    " << quoted(name) << ": " << quoted(value);
        separator = ",\n";
    }
    stream << "\n  },\n  \"rows\": [";
    separator = "\n";
    for (const Row& row : _rows) {
        stream << separator << "    {\"what\": " << quoted(row.what) << ", \"unit\": " << quoted(row.unit);
        for (std::size_t i = 0; i < names.size(); ++i) {
            if (row.samples.at(i).isEmpty())
                continue;
            stream << ",\n     " << quoted(names.at(i)) << ": ";
            writeValues(stream, row.samples.at(i));
        }
        stream << "}";
        separator = ",\n";
    }
    stream << "\n  ]\n}\n";
    if (!stream.flush())
        throw std::runtime_error(file.string() + ": cannot be written");
}

} // namespace HangDetection::Benchmark
