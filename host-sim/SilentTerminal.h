#pragma once

#include <optional>
#include <termios.h>

namespace HangDetection::Sim {

class SilentTerminal
/// While it lives, the terminal on standard output does not show what is typed: that would appear in the
/// middle of the drawing, even of an escape sequence. Ctrl-C is still a signal, and drops no output. Ctrl-Z
/// does nothing, because the terminal could not be restored before the stop. Used by one thread.
{
public:
    SilentTerminal();
    /// Does nothing in a program in the background, which the attempt would stop.

    ~SilentTerminal();

    SilentTerminal(const SilentTerminal&) = delete;
    SilentTerminal& operator=(const SilentTerminal&) = delete;

private:
    std::optional<termios> _before;
};

} // namespace HangDetection::Sim
