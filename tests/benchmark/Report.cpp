#include "Report.h"

#include "Json.h"
#include "TextTable.h"

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
    Poco::JSON::Object facts(Poco::JSON_PRESERVE_KEY_ORDER);
    for (const auto& [name, value] : _facts)
        facts.set(name, value);
    Poco::JSON::Array rows;
    for (const Row& row : _rows) {
        Poco::JSON::Object line(Poco::JSON_PRESERVE_KEY_ORDER);
        line.set("what", row.what);
        line.set("unit", row.unit);
        for (std::size_t i = 0; i < names.size(); ++i) {
            if (!row.samples.at(i).isEmpty())
                line.set(names.at(i), jsonOf(row.samples.at(i)));
        }
        rows.add(line);
    }
    Poco::JSON::Object report(Poco::JSON_PRESERVE_KEY_ORDER);
    report.set("facts", facts);
    report.set("rows", rows);
    Benchmark::writeJson(file, report);
}

} // namespace HangDetection::Benchmark
