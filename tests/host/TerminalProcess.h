#pragma once

#include "Command.h"
#include "TerminalScreen.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <sys/types.h>

namespace HangDetection::Test {

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
