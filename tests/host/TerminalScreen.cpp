#include "TerminalScreen.h"

#include <Poco/String.h>

#include <algorithm>
#include <stdexcept>

namespace HangDetection::Test {

TerminalScreen::TerminalScreen(std::size_t columns, std::size_t rows) : _columns(columns), _rows(rows) {}

void TerminalScreen::write(std::string_view output)
{
    constexpr std::string_view begin = "\033[";
    while (!output.empty()) {
        if (!output.starts_with(begin)) {
            put(output.front());
            output.remove_prefix(1);
            continue;
        }
        output.remove_prefix(begin.size());
        const auto end = std::min(output.find_first_not_of("?;0123456789"), output.size() - 1);
        obey(output.substr(0, end), output[end]);
        output.remove_prefix(end + 1);
    }
}

std::string TerminalScreen::text() const
{
    return Poco::cat(std::string("\n"), _lines.begin(), _lines.end()) + '\n';
}

void TerminalScreen::put(char character)
{
    if (character == '\r') {
        _column = 0;
        return;
    }
    if (character == '\n') {
        toNextLine();
        return;
    }
    if (_column == _columns) {
        _column = 0;
        toNextLine();
    }
    std::string& line = _lines[_line];
    line.resize(std::max(line.size(), _column + 1), ' ');
    line[_column] = character;
    ++_column;
}

void TerminalScreen::toNextLine()
{
    ++_line;
    if (_line == _lines.size())
        _lines.emplace_back();
}

void TerminalScreen::obey(std::string_view parameters, char command)
{
    const std::string text = std::string(parameters) + command;
    const auto clearLine = [this] { _lines[_line].resize(std::min(_lines[_line].size(), _column)); };
    if (command == 'A') {
        const std::size_t top = _lines.size() - std::min(_lines.size(), _rows);
        _line = std::max(top, _line - std::min(_line, static_cast<std::size_t>(std::stoul(text))));
    } else if (text == "K") {
        clearLine();
    } else if (text == "J") {
        clearLine();
        for (std::size_t below = _line + 1; below < _lines.size(); ++below)
            _lines[below].clear();
    } else if (text == "?25l" || text == "?25h") {
        _isCursorVisible = command == 'h';
    } else if (command == 'm') {
        _isColoured = text != "0m";
    } else {
        throw std::runtime_error("unknown escape sequence " + text);
    }
}

} // namespace HangDetection::Test
