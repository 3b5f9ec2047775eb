#include "Screen.h"

#include <Poco/Environment.h>

#include <algorithm>
#include <iostream>
#include <sstream>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utility>

namespace HangDetection::Sim {

namespace {

constexpr const char* hideCursor = "\033[?25l";
constexpr const char* showCursor = "\033[?25h";
constexpr const char* clearToEndOfLine = "\033[K";
constexpr const char* clearToEndOfScreen = "\033[J";
constexpr const char* resetColour = "\033[0m";

const char* codeOf(Screen::Colour colour)
{
    switch (colour) {
    case Screen::Colour::good:
        return "\033[32m";
    case Screen::Colour::bad:
        return "\033[31m";
    case Screen::Colour::warning:
        return "\033[33m";
    case Screen::Colour::faint:
        return "\033[2m";
    case Screen::Colour::strong:
        return "\033[1m";
    case Screen::Colour::plain:
        break;
    }
    return "";
}

/// For a terminal that does not know its size.
constexpr Screen::Size usualSize{80, 24};

} // namespace

Screen::Line Screen::cut(const Line& line, std::size_t columns)
{
    Line result;
    for (const Span& span : line) {
        result.push_back({span.text.substr(0, columns), span.colour});
        columns -= result.back().text.size();
    }
    return result;
}

std::vector<std::string> Screen::wrapped(const std::string& text, std::size_t columns)
{
    std::vector<std::string> lines;
    std::istringstream words(text);
    for (std::string word; words >> word;) {
        if (lines.empty() || lines.back().size() + 1 + word.size() > columns)
            lines.push_back(word);
        else
            lines.back() += ' ' + word;
    }
    return lines;
}

Screen::Screen()
    : _isTerminal(isatty(STDOUT_FILENO) == 1 && Poco::Environment::get("TERM", "") != "dumb"),
      _isColoured(_isTerminal && Poco::Environment::get("NO_COLOR", "").empty())
{}

Screen::~Screen()
{
    endBlock();
}

Screen::Size Screen::size() const
{
    if (!_isTerminal)
        return {noLimit, noLimit};
    struct winsize answer = {};
    const bool isKnown =
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &answer) == 0 && answer.ws_col > 0 && answer.ws_row > 0;
    const Size terminal = isKnown ? Size{answer.ws_col, answer.ws_row} : usualSize;
    // The last column stays empty: after a character in it, terminals differ in what they clear.
    return {terminal.columns - 1, terminal.rows};
}

void Screen::line(const std::string& text, Colour colour)
{
    line(Line{{text, colour}});
}

void Screen::line(const Line& line)
{
    const std::lock_guard lock(_mutex);
    std::string out = toTopOfBlock() + rendered(line);
    if (_drawnRows > 0)
        out += clearToEndOfLine;
    out += '\n';
    if (_drawnRows > 0)
        out += drawnBlock();
    std::cout << out << std::flush;
}

void Screen::text(const std::string& text, Colour colour)
{
    for (const std::string& part : wrapped(text, size().columns))
        line(part, colour);
}

void Screen::block(std::vector<Line> lines)
{
    const std::lock_guard lock(_mutex);
    if (!_isTerminal)
        return;
    if (!_silence)
        _silence.emplace();
    std::string out = _drawnRows == 0 ? hideCursor : toTopOfBlock();
    _block = std::move(lines);
    out += drawnBlock();
    // One write, as a block that is drawn in parts flickers.
    std::cout << out << std::flush;
}

void Screen::endBlock()
{
    const std::lock_guard lock(_mutex);
    if (_drawnRows == 0)
        return;
    std::cout << toTopOfBlock() + clearToEndOfScreen + showCursor << std::flush;
    _silence.reset();
    _block.clear();
    _drawnRows = 0;
}

std::string Screen::rendered(const Line& line) const
{
    std::string out;
    for (const Span& span : line) {
        if (_isColoured && span.colour != Colour::plain)
            out += codeOf(span.colour) + span.text + resetColour;
        else
            out += span.text;
    }
    return out;
}

std::string Screen::toTopOfBlock() const
{
    return _drawnRows > 1 ? "\033[" + std::to_string(_drawnRows - 1) + "A" : "";
}

std::string Screen::drawnBlock()
/// Starts at the cursor.
{
    const Size limit = size();
    _drawnRows = std::min(_block.size(), limit.rows);
    std::string out;
    for (std::size_t row = 0; row < _drawnRows; ++row) {
        const bool isLast = row + 1 == _drawnRows;
        out += rendered(cut(_block[row], limit.columns));
        out += isLast ? std::string(clearToEndOfScreen) + '\r' : std::string(clearToEndOfLine) + '\n';
    }
    return out;
}

} // namespace HangDetection::Sim
