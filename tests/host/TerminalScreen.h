#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace HangDetection::Test {

class TerminalScreen
/// What a terminal shows of what a program writes to it, as far as the demo uses terminals.
{
public:
    TerminalScreen(std::size_t columns, std::size_t rows);

    void write(std::string_view output);
    /// Throws std::runtime_error for an escape sequence that it does not know.

    std::string text() const;
    /// With the lines that have scrolled off at the top. One that the terminal wraps is several.

    bool isCursorVisible() const { return _isCursorVisible; }

    bool isColoured() const { return _isColoured; }
    /// Whether the next text would be.

private:
    void put(char character);
    void obey(std::string_view parameters, char command);
    void toNextLine();

    const std::size_t _columns;
    const std::size_t _rows;
    std::vector<std::string> _lines{""};
    std::size_t _line = 0;
    std::size_t _column = 0;
    bool _isCursorVisible = true;
    bool _isColoured = false;
};

} // namespace HangDetection::Test
