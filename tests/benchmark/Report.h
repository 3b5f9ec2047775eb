#pragma once

#include "Contender.h"
#include "Samples.h"

#include <array>
#include <filesystem>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace HangDetection::Benchmark {

struct Row
/// One line of the table.
{
    std::string what;
    std::string unit;
    std::array<Samples, sides> samples = {};
    /// Empty for who was not measured.
    std::string note = {};

    Samples& of(Side side) { return samples.at(static_cast<std::size_t>(side)); }
    const Samples& of(Side side) const { return samples.at(static_cast<std::size_t>(side)); }
};

class Report
/// What was measured, for people and for machines.
{
public:
    void add(Row row) { _rows.push_back(std::move(row)); }

    void addFact(const std::string& name, const std::string& value) { _facts.emplace_back(name, value); }
    /// About the server or the machine.

    void print(std::ostream& stream) const;
    /// The table with the medians and their ratios, and the facts.

    void writeJson(const std::filesystem::path& file) const;
    /// Each value of each row.

private:
    std::vector<Row> _rows;
    std::vector<std::pair<std::string, std::string>> _facts;
};

} // namespace HangDetection::Benchmark
