#include "Report.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Stringifier.h>
#include <Poco/NumberFormatter.h>
#include <Poco/String.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <unistd.h>

namespace HangDetection::Benchmark {

double median(Samples samples)
{
    std::sort(samples.begin(), samples.end());
    return std::midpoint(samples.at((samples.size() - 1) / 2), samples.at(samples.size() / 2));
}

std::string textOf(double value)
{
    const int places = value >= 100 || value == std::floor(value) ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
    return Poco::NumberFormatter::format(value, places);
}

std::string grouped(long value)
{
    std::string text = std::to_string(value);
    for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3)
        text.insert(static_cast<std::size_t>(at), ",");
    return text;
}

void showProgress(const std::string& what)
{
    if (isatty(STDERR_FILENO) == 1)
        std::cerr << "\r\033[K" << what << std::flush;
}

namespace {

std::string ratio(const Samples& samples, const Samples& to)
{
    if (samples.empty() || to.empty() || median(to) == 0)
        return "-";
    return textOf(median(samples) / median(to));
}

void printTable(std::ostream& stream, const std::vector<Report::Cells>& lines)
/// The first two columns are texts, at the left. Empty columns are left out.
{
    const std::size_t columns = lines.front().size();
    std::vector<std::size_t> widths(columns);
    for (const auto& line : lines) {
        for (std::size_t i = 0; i < columns; ++i)
            widths.at(i) = std::max(widths.at(i), line.at(i).size());
    }
    for (const auto& line : lines) {
        std::ostringstream text;
        for (std::size_t i = 0; i < columns; ++i) {
            if (widths.at(i) > 0)
                text << (i < 2 ? std::left : std::right) << std::setw(static_cast<int>(widths.at(i)))
                     << line.at(i) << "  ";
        }
        stream << Poco::trimRight(text.str()) << '\n';
    }
}

Poco::JSON::Object jsonOf(const Samples& samples)
{
    Poco::JSON::Array values;
    for (const double value : samples)
        values.add(value);
    Poco::JSON::Object object(Poco::JSON_PRESERVE_KEY_ORDER);
    object.set("median", median(samples));
    object.set("values", values);
    return object;
}

} // namespace

Row& Report::row(const std::string& what)
{
    const auto found = std::ranges::find(_rows, what, &Row::what);
    return found == _rows.end() ? add({what}) : *found;
}

std::string Report::figureOf(const Samples& samples) const
{
    if (samples.empty())
        return "-";
    std::string text = textOf(median(samples));
    if (_layout.hasRanges)
        text += " (" + textOf(std::ranges::min(samples)) + " to " + textOf(std::ranges::max(samples)) + ")";
    return text;
}

Report::Cells Report::cellsOf(const Row& row) const
{
    Cells cells{row.what, row.unit};
    for (std::size_t i = 0; i < _layout.columns.size(); ++i)
        cells.push_back(figureOf(row.of(i)));
    for (std::size_t i = 0; i < _layout.columns.size(); ++i) {
        if (i != _layout.compared)
            cells.push_back(ratio(row.of(_layout.compared), row.of(i)));
    }
    return cells;
}

void Report::print(std::ostream& stream) const
{
    std::vector<Cells> lines = _layout.headings;
    for (const Row& row : _rows)
        lines.push_back(cellsOf(row));
    printTable(stream, lines);
    stream << '\n';
    for (const auto& [name, value] : _facts)
        stream << name << ": " << value << '\n';
}

void Report::writeJson(const std::filesystem::path& file) const
{
    Poco::JSON::Object facts(Poco::JSON_PRESERVE_KEY_ORDER);
    for (const auto& [name, value] : _facts)
        facts.set(name, value);
    Poco::JSON::Array rows;
    for (const Row& row : _rows) {
        Poco::JSON::Object line(Poco::JSON_PRESERVE_KEY_ORDER);
        line.set("what", Poco::trim(row.what));
        line.set("unit", row.unit);
        for (std::size_t i = 0; i < _layout.columns.size(); ++i) {
            if (!row.of(i).empty())
                line.set(_layout.columns.at(i), jsonOf(row.of(i)));
        }
        rows.add(line);
    }
    Poco::JSON::Object report(Poco::JSON_PRESERVE_KEY_ORDER);
    report.set("facts", facts);
    report.set("rows", rows);

    constexpr unsigned indent = 2;
    std::ofstream stream(file);
    Poco::JSON::Stringifier::stringify(report, stream, indent);
    stream << '\n';
    if (!stream.flush())
        throw std::runtime_error(file.string() + ": cannot be written");
}

} // namespace HangDetection::Benchmark
