#pragma once

#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace HangDetection::Benchmark {

class TextTable
/// Lines of cells, printed in columns.
{
public:
    enum class Align
    {
        left, /// texts
        right /// numbers
    };

    explicit TextTable(std::vector<Align> columns) : _columns(std::move(columns)) {}

    void add(std::vector<std::string> line);
    /// As many cells as there are columns.

    void print(std::ostream& stream) const;

private:
    const std::vector<Align> _columns;
    std::vector<std::vector<std::string>> _lines;
};

std::string number(double value);
/// With three digits that matter; large ones whole.

} // namespace HangDetection::Benchmark
