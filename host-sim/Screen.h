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
/// What the user sees: lines that stay. On a terminal also colours, unless NO_COLOR is set and not empty, and
/// below the lines a block that is redrawn in place. Any thread may write to it.
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
    /// Text in one colour. Each character takes one column.
    {
        std::string text;
        Colour colour = Colour::plain;
    };

    using Line = std::vector<Span>;

    static Line cut(const Line& line, std::size_t columns);
    /// The first columns of the line.

    static std::vector<std::string> wrapped(const std::string& text, std::size_t columns);
    /// The text in lines of this width, broken at blanks. A longer word has a line of its own.

    static constexpr std::size_t noLimit = std::numeric_limits<std::size_t>::max();

    struct Size
    {
        std::size_t columns = 0;
        std::size_t rows = 0;
    };

    Screen();
    ~Screen();
    /// Clears the block and shows the cursor again.

    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    bool isTerminal() const { return _isTerminal; }
    /// Also false when TERM is dumb.

    Size size() const;
    /// What fits now. A line of this width does not wrap. Without a terminal there is no limit.

    void line(const std::string& text, Colour colour = Colour::plain);
    void line(const Line& line);
    /// Prints a line that stays, above the block. The terminal wraps a line that is too long.

    void text(const std::string& text, Colour colour = Colour::plain);
    /// The same, but on a terminal no word is broken.

    void block(std::vector<Line> lines);
    /// Draws the block in place of the last one. Cuts lines to the width of the terminal, and leaves out
    /// those below its last row. Does nothing without a terminal.

    void endBlock();
    /// Clears the block.

private:
    std::string rendered(const Line& line) const;
    std::string toTopOfBlock() const;
    std::string drawnBlock();

    const bool _isTerminal;
    const bool _isColoured;
    std::mutex _mutex;
    std::vector<Line> _block;
    std::optional<SilentTerminal> _silence;
    /// Lives while there is a block.
    std::size_t _drawnRows = 0;
    /// Rows of the block on the terminal. The cursor is at the start of the last one.
};

} // namespace HangDetection::Sim
