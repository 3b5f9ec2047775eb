#pragma once

#include "Command.h"

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>
#include <sys/types.h>

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

class TerminalProcess
/// A program on a terminal of its own. It is killed with the object, at the latest. Used by one
/// thread.
{
public:
    TerminalProcess(const Sim::CommandLine& command, unsigned short columns, unsigned short rows);
    /// Starts the command, found on PATH, with the terminal as its input and output. Throws
    /// std::system_error.

    ~TerminalProcess();

    TerminalProcess(const TerminalProcess&) = delete;
    TerminalProcess& operator=(const TerminalProcess&) = delete;

    const std::string& output() const { return _output; }
    /// What was read so far, with the escape sequences.

    TerminalScreen screen() const;
    /// What the terminal shows of it.

    bool readUntil(const std::function<bool(const std::string& output)>& condition,
                   std::chrono::milliseconds atMost);
    /// False when the condition did not come to hold in time, or before the program's end.

    void type(const std::string& keys) const;
    /// As a user does: "\x03" is Ctrl-C.

    bool echoes() const;
    /// Whether the terminal shows what is typed.

    std::optional<int> readToEnd(std::chrono::milliseconds atMost);
    /// The exit status; 128 and the number of the signal for a program that died of one. Nothing
    /// when it has not ended in time.

private:
    const unsigned short _columns;
    const unsigned short _rows;
    int _terminal = -1;
    pid_t _id = 0;
    std::string _output;
    bool _hasEnded = false;
};

} // namespace HangDetection::Test
