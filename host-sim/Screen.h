#pragma once

#include <mutex>
#include <string>

namespace HangDetection::Sim {

class Screen
/// What the user sees: lines, and on a terminal colours and one live line at the
/// bottom that is written over. Written to by any thread.
{
public:
    enum class Colour
    {
        plain,
        good,
        bad,
        faint,
        strong,
    };

    Screen();
    ~Screen();

    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    void line(const std::string& text, Colour colour = Colour::plain);
    /// A line that stays, above the live line.

    void live(const std::string& text);
    /// Shows the text in the live line. Where there is no terminal it is a plain line,
    /// written when it differs from the last one.

    void endLive();
    /// Clears the live line.

    std::string coloured(const std::string& text, Colour colour) const;
    /// The text in a colour, or as it is where there is no terminal.

private:
    void clearLive();

    const bool _isTerminal;
    std::mutex _mutex;
    std::string _live;
};

} // namespace HangDetection::Sim
