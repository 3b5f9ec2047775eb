#pragma once

#include "SilentTerminal.h"

#include <cstddef>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace HangDetection::Sim {

class Screen
/// What the user sees: lines that stay, and on a terminal colours, and below the lines a block
/// that is drawn again and again in place. Written to by any thread.
{
public:
    enum class Colour
    {
        plain,
        good,
        bad,
        warning,
        faint,
        strong,
    };

    struct Span
    /// Text in one colour, of characters that take one column each.
    {
        std::string text;
        Colour colour = Colour::plain;
    };

    using Line = std::vector<Span>;

    static Line cut(const Line& line, std::size_t columns);
    /// So much of its start.

    static constexpr std::size_t noLimit = std::numeric_limits<std::size_t>::max();

    struct Size
    {
        std::size_t columns = 0;
        std::size_t rows = 0;
    };

    Screen();
    ~Screen();
    /// Leaves a terminal as it was, with its cursor.

    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    bool isTerminal() const { return _isTerminal; }
    /// False as well for one that says of itself that it is dumb.

    Size size() const;
    /// What fits, now: a line that is as wide does not make the terminal wrap. Without a terminal
    /// there is no limit.

    void line(const std::string& text, Colour colour = Colour::plain);
    void line(const Line& line);
    /// A line that stays, above the block. The terminal wraps one that is too long.

    void block(std::vector<Line> lines);
    /// Draws the block, in place of the last one. Lines are cut to the width of the terminal, and
    /// those that do not fit are left out. Nothing without a terminal.

    void endBlock();
    /// Clears the block.

private:
    std::string rendered(const Line& line) const;
    std::string toTopOfBlock() const;
    std::string drawnBlock();

    const bool _isTerminal;
    std::mutex _mutex;
    std::vector<Line> _block;
    std::optional<SilentTerminal> _silence;
    /// While there is a block.
    std::size_t _drawnRows = 0;
    /// Of the block, on the terminal. The cursor is at the start of the last one.
};

} // namespace HangDetection::Sim
