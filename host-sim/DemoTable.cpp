#include "DemoTable.h"

#include "Settings.h"
#include "slurm/JobMark.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <numeric>
#include <utility>

namespace HangDetection::Sim {

namespace {

using Colour = Screen::Colour;
using Kind = DemoJob::Kind;

constexpr std::array<const char*, 7> headings{"job",   "type",      "silence", "stage",
                                              "state", "Slurm job", "outcome"};
constexpr std::size_t stageColumn = 3;
constexpr std::size_t shortestStage = 5;
/// Type, Slurm job, silence and state. Where there is little room they are left out, in this order.
constexpr std::array<std::size_t, 4> lessUsefulColumns{1, 5, 2, 4};
constexpr std::size_t shownOfId = 8;

/// The time of many heartbeats.
constexpr std::int64_t quietSeconds = 60;

std::string shortType(const std::string& type)
{
    if (type == "workspace_build")
        return "build";
    return type == "template_version_import" ? "import" : "dry run";
}

std::string twoDigits(std::int64_t number)
{
    return (number < 10 ? "0" : "") + std::to_string(number);
}

std::string duration(std::int64_t seconds)
{
    if (seconds < 3600)
        return std::to_string(seconds / 60) + "m " + twoDigits(seconds % 60) + "s";
    return std::to_string(seconds / 3600) + "h " + twoDigits(seconds / 60 % 60) + "m";
}

const char* nameOf(SimulatedJob::State state)
{
    switch (state) {
    case SimulatedJob::State::running:
        return "running";
    case SimulatedJob::State::suspended:
        return "suspended";
    case SimulatedJob::State::failed:
        return "failed";
    case SimulatedJob::State::cancelled:
        break;
    }
    return "cancelled";
}

std::string slurmJobsOf(const Mark& mark, const std::vector<SimulatedJob>& slurmJobs)
/// As "2,3 cancelled".
{
    std::map<SimulatedJob::State, std::string> ids;
    for (const SimulatedJob& slurmJob : slurmJobs) {
        if (markOf(slurmJob.comment) != mark)
            continue;
        std::string& inState = ids[slurmJob.state];
        inState += (inState.empty() ? "" : ",") + std::to_string(slurmJob.id);
    }
    std::string text;
    for (const auto& [state, list] : ids)
        text += (text.empty() ? "" : " ") + list + " " + nameOf(state);
    return text;
}

int rankOf(Kind kind)
{
    switch (kind) {
    case Kind::hung:
        return 0;
    case Kind::pending:
        return 1;
    case Kind::ended:
        return 2;
    case Kind::stalled:
        return 3;
    case Kind::suspended:
        return 4;
    case Kind::quiet:
        return 5;
    case Kind::inactive:
        return 6;
    case Kind::healthy:
        break;
    }
    return 7;
}

std::string padded(const std::string& text, std::size_t width)
/// Cut, or filled with blanks, to the width.
{
    std::string result = text.substr(0, width);
    result.resize(width, ' ');
    return result;
}

} // namespace

DemoTable::DemoTable(const DemoCluster& cluster)
{
    std::vector<DemoJob> jobs = cluster.jobs();
    std::ranges::stable_sort(jobs, [](const DemoJob& left, const DemoJob& right) {
        return rankOf(left.kind) < rankOf(right.kind);
    });
    for (const DemoJob& job : jobs)
        _rows.push_back({.jobId = job.row.id, .mark = job.mark(), .type = shortType(job.row.type)});
}

void DemoTable::update(const std::vector<JobLook>& jobs, const std::vector<SimulatedJob>& slurmJobs,
                       const std::set<std::string>& suspended)
{
    for (Row& row : _rows) {
        const auto job =
            std::ranges::find_if(jobs, [&](const JobLook& candidate) { return candidate.id == row.jobId; });
        row.slurmJobs = slurmJobsOf(row.mark, slurmJobs);
        if (job == jobs.end()) {
            row.state = "gone";
            continue;
        }
        // A termination touches the job. The row keeps how long the job was silent before.
        if (job->state == "running" || job->state == "queued")
            row.silentSeconds = job->silentSeconds;
        row.stage = job->stage;
        row.state = job->state;
        row.outcome = outcomeOf(*job, suspended.contains(row.jobId));
    }
}

DemoTable::Cell DemoTable::outcomeOf(const JobLook& job, bool isSuspended)
{
    if (job.state == "failed") {
        const auto says = [&](const char* word) { return job.error.find(word) != std::string::npos; };
        if (says("Canceled"))
            return {"canceled stalled", Colour::good};
        const char* const reason = says("pending") ? "pending" : says("dead") ? "ended" : "hung";
        return {std::string("terminated ") + reason, Colour::good};
    }
    if (job.state == "queued")
        return {"left alone: queued", Colour::faint};
    if (job.state == "done")
        return {"left alone: done", Colour::faint};
    if (isSuspended)
        return {"left alone: suspended", Colour::warning};
    if (job.silentSeconds >= Settings::defaultHungJobDuration.count())
        return {"hung", Colour::bad};
    return {job.silentSeconds < quietSeconds ? "left alone: reports" : "left alone: under 5m", Colour::faint};
}

std::vector<DemoTable::Cell> DemoTable::cellsOf(const Row& row)
{
    const Colour stateColour = row.state == "failed" ? Colour::bad : Colour::plain;
    return {{row.jobId.substr(0, shownOfId)},
            {row.type},
            {row.state == "done" ? "" : duration(row.silentSeconds)},
            {row.stage},
            {row.state, stateColour},
            {row.slurmJobs},
            row.outcome};
}

DemoTable::Counts DemoTable::counts() const
{
    const auto count = [this](auto hasIt) { return static_cast<int>(std::ranges::count_if(_rows, hasIt)); };
    const auto withOutcome = [&](const char* begin) {
        return count([&](const Row& row) { return row.outcome.text.starts_with(begin); });
    };
    return {.running = count([](const Row& row) { return row.state == "running"; }),
            .hung = withOutcome("hung"),
            .terminated = withOutcome("terminated"),
            .canceled = withOutcome("canceled")};
}

std::vector<Screen::Line> DemoTable::lines(Screen::Size size) const
{
    std::vector<std::vector<Cell>> cells;
    cells.emplace_back();
    for (const char* const heading : headings)
        cells.back().push_back({heading, Colour::strong});
    std::ranges::transform(_rows, std::back_inserter(cells), &cellsOf);

    std::array<std::size_t, headings.size()> widths{};
    for (const std::vector<Cell>& row : cells) {
        for (std::size_t i = 0; i < row.size(); ++i)
            widths.at(i) = std::max(widths.at(i), row[i].text.size());
    }
    std::vector<std::size_t> columns(headings.size());
    std::iota(columns.begin(), columns.end(), 0);
    const auto width = [&](std::size_t gap) {
        std::size_t sum = gap * (columns.size() - 1);
        for (const std::size_t column : columns)
            sum += widths.at(column);
        return sum;
    };
    std::size_t& stage = widths.at(stageColumn);
    const std::size_t wholeStage = std::exchange(stage, std::min(stage, shortestStage));
    for (const std::size_t column : lessUsefulColumns) {
        if (width(1) > size.columns)
            std::erase(columns, column);
    }
    if (const std::size_t least = width(1); least < size.columns)
        stage += std::min(wholeStage - stage, size.columns - least);
    const std::size_t gap = width(2) <= size.columns ? 2 : 1;

    std::vector<Screen::Line> lines;
    for (const std::vector<Cell>& row : cells) {
        Screen::Line line;
        for (const std::size_t column : columns) {
            const Cell& cell = row[column];
            const bool isLast = column == columns.back();
            line.push_back({isLast ? cell.text : padded(cell.text, widths.at(column)) + std::string(gap, ' '),
                            cell.colour});
        }
        lines.push_back(std::move(line));
    }
    if (size.rows == 0)
        return {};
    if (lines.size() > size.rows) {
        const std::size_t left = lines.size() - size.rows + 1;
        lines.resize(size.rows - 1);
        lines.push_back({{"... and " + std::to_string(left) + " more", Colour::faint}});
    }
    return lines;
}

} // namespace HangDetection::Sim
