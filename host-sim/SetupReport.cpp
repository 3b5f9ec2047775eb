#include "SetupReport.h"

#include "Duration.h"
#include "notification/LogLine.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <numeric>
#include <utility>

namespace HangDetection::Sim {

namespace {

std::size_t widthOf(const std::string& text)
/// In characters.
{
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t width)
{
    return text + std::string(width - std::min(width, widthOf(text)), ' ');
}

std::string shownName(const std::string& name)
/// Names come from the database, and may be long.
{
    constexpr std::size_t longest = 32;
    std::string text = escaped(name);
    if (widthOf(text) <= longest)
        return text;
    while (widthOf(text) > longest - 3)
        text.pop_back();
    return text + "...";
}

std::string counted(int number, const std::string& what)
{
    return std::to_string(number) + ' ' + what + (number == 1 ? "" : "s");
}

} // namespace

std::string roughly(std::chrono::seconds time)
{
    using namespace std::chrono;
    if (time < minutes(2))
        return formatDuration(time);
    return formatDuration(time < hours(2) ? seconds(floor<minutes>(time)) : seconds(floor<hours>(time)));
}

void SetupReport::list(std::vector<ListedJob> jobs, std::int64_t left)
{
    _jobs = std::move(jobs);
    _left = std::max<std::int64_t>(left, 0);
}

void SetupReport::ok(const std::string& subject, const std::string& text)
{
    add({"ok", subject, text}, Screen::Colour::good);
}

void SetupReport::note(const std::string& subject, const std::string& text)
{
    ++_notes;
    add({"note", subject, text}, Screen::Colour::warning);
}

void SetupReport::problem(const std::string& subject, const std::string& text)
{
    ++_problems;
    add({"problem", subject, text}, Screen::Colour::bad);
}

void SetupReport::add(Finding finding, Screen::Colour colour)
{
    constexpr std::size_t verdictWidth = 9;
    constexpr std::size_t subjectWidth = 12;
    if (_form == Form::lines) {
        const std::string indent(verdictWidth + subjectWidth, ' ');
        const std::size_t room = std::max(_screen.size().columns, 2 * indent.size()) - indent.size();
        const auto lines = Screen::wrapped(escaped(finding.text), room);
        _screen.line({{padded(finding.verdict, verdictWidth), colour},
                      {padded(finding.subject, subjectWidth) + lines.front()}});
        for (std::size_t i = 1; i < lines.size(); ++i)
            _screen.line(indent + lines[i]);
    }
    _findings.push_back(std::move(finding));
}

bool SetupReport::end()
{
    if (_form == Form::json) {
        printJson();
    } else {
        printJobs();
        _screen.line(counted(_problems, "problem") + ", " + counted(_notes, "note"), Screen::Colour::strong);
    }
    return _problems == 0 && std::cout.good();
}

void SetupReport::printJobs()
{
    if (_jobs.empty())
        return;
    std::vector<std::vector<std::string>> rows{
        {"job", "type", "state", "silence", "workspace", "template", "daemon"}};
    for (const ListedJob& job : _jobs)
        rows.push_back({job.id, job.type, job.state, roughly(job.silent),
                        shownName(job.owner.empty() ? job.workspace : job.owner + '/' + job.workspace),
                        shownName(job.templateName), shownName(job.daemon)});
    std::vector<std::size_t> widths(rows.front().size());
    for (const std::vector<std::string>& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], widthOf(row[i]));
    }
    constexpr std::size_t gap = 2;
    const std::size_t room = _screen.size().columns;
    std::size_t width = std::reduce(widths.begin(), widths.end()) + gap * (widths.size() - 1);
    // What a terminal has no room for is left out: the type, the daemon, the template, the silence.
    for (const std::size_t column : std::array<std::size_t, 4>{1, 6, 5, 3}) {
        if (width > room)
            width -= std::exchange(widths[column], 0) + gap;
    }
    _screen.line("");
    for (const std::vector<std::string>& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (widths[i] > 0)
                line += padded(row[i], widths[i] + gap);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        _screen.line(line, &row == &rows.front() ? Screen::Colour::strong : Screen::Colour::plain);
    }
    if (_left > 0)
        _screen.line("... and " + counted(static_cast<int>(_left), "more job"));
    _screen.line("");
}

void SetupReport::printJson() const
{
    Poco::JSON::Array findings;
    for (const Finding& finding : _findings) {
        Poco::JSON::Object object(Poco::JSON_PRESERVE_KEY_ORDER);
        object.set("verdict", finding.verdict)
            .set("subject", finding.subject)
            .set("text", escaped(finding.text));
        findings.add(object);
    }
    Poco::JSON::Array jobs;
    for (const ListedJob& job : _jobs) {
        Poco::JSON::Object object(Poco::JSON_PRESERVE_KEY_ORDER);
        object.set("job_id", job.id)
            .set("type", job.type)
            .set("state", job.state)
            .set("silent_s", job.silent.count());
        // The database may use another encoding.
        object.set("workspace", escaped(job.workspace)).set("owner", escaped(job.owner));
        object.set("template", escaped(job.templateName)).set("daemon", escaped(job.daemon));
        jobs.add(object);
    }
    Poco::JSON::Object report(Poco::JSON_PRESERVE_KEY_ORDER);
    report.set("findings", findings)
        .set("jobs", jobs)
        .set("jobs_left_out", _left)
        .set("notes", _notes)
        .set("problems", _problems);
    constexpr unsigned indent = 2;
    report.stringify(std::cout, indent);
    std::cout << '\n';
}

} // namespace HangDetection::Sim
