#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace HangDetection::Benchmark {

using Samples = std::vector<double>;
/// What one thing measured, repeatedly.

double median(Samples samples);
/// Of at least one.

std::string textOf(double value);
/// With three digits that matter; large ones whole.

std::string grouped(long value);
/// As 1,000,000.

void showProgress(const std::string& what);
/// On a terminal, on stderr, in place of what was shown before.

struct Row
/// One line of the table.
{
    std::string what;
    std::string unit = {};
    std::array<Samples, 4> samples = {};
    /// Of each column; empty where nothing was measured.

    Samples& of(auto column) { return samples.at(static_cast<std::size_t>(column)); }
    const Samples& of(auto column) const { return samples.at(static_cast<std::size_t>(column)); }
};

class Report
/// What was measured, for people and for machines.
{
public:
    using Cells = std::vector<std::string>;

    struct Layout
    {
        std::vector<Cells> headings;
        /// The lines above the table, with a cell for what, unit, each column and each ratio.
        Cells columns;
        /// Their names in JSON, four at most.
        std::size_t compared = 0;
        /// The column whose medians are divided by those of the others.
        bool hasRanges = false;
        /// Whether the least and the most are beside each median.
    };

    explicit Report(Layout layout) : _layout(std::move(layout)) {}

    Row& add(Row row) { return _rows.emplace_back(std::move(row)); }
    /// Valid until the next one is added.

    Row& row(const std::string& what);
    /// The row of that name, which is added if there was none.

    void addFact(const std::string& name, const std::string& value) { _facts.emplace_back(name, value); }
    /// About the table, the server or the machine.

    void print(std::ostream& stream) const;
    /// The table with the medians and their ratios, and the facts.

    void writeJson(const std::filesystem::path& file) const;
    /// Each value of each row. Throws std::runtime_error when the file cannot be written.

private:
    Cells cellsOf(const Row& row) const;
    std::string figureOf(const Samples& samples) const;

    const Layout _layout;
    std::vector<Row> _rows;
    std::vector<std::pair<std::string, std::string>> _facts;
};

} // namespace HangDetection::Benchmark
