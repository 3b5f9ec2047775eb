#pragma once

#include <optional>
#include <termios.h>

namespace HangDetection::Sim {

class SilentTerminal
/// While it lives, the terminal on standard output shows nothing of what is typed: it would
/// show it in the middle of what is drawn, even of an escape sequence. Ctrl-C is still a signal,
/// and drops nothing of what is already drawn. Ctrl-Z is none, as nothing could be cleaned up
/// before. Used by one thread.
{
public:
    SilentTerminal();
    /// Nothing for a program in the background, which would be stopped by the attempt.

    ~SilentTerminal();

    SilentTerminal(const SilentTerminal&) = delete;
    SilentTerminal& operator=(const SilentTerminal&) = delete;

private:
    std::optional<termios> _before;
};

} // namespace HangDetection::Sim
