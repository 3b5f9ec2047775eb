#include "Report.h"

#include "TextTable.h"

#include <fstream>
#include <stdexcept>

namespace HangDetection::Benchmark {

namespace {

constexpr std::array<const char*, sides> names{"detector", "statements2023", "statements2026", "psql"};

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
    using enum TextTable::Align;
    TextTable table({left, left, right, right, right, right, right, right, right, left});
    table.add({"", "", "", "by stmt.", "by stmt.", "", "to", "to", "to", ""});
    table.add({"median of", "unit", "detector", "of 2023", "of 2026", "psql", "2023", "2026", "psql", ""});
    for (const Row& row : _rows)
        table.add(cellsOf(row));
    table.print(stream);
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
