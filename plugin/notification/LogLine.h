#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

namespace HangDetection {

/// In bytes. Other texts have more than enough room.
constexpr std::size_t longestText = 1024;

std::string shortened(std::string_view text);
/// The text, or the first part of a text that is longer than longestText. The part ends with a whole
/// character and a mark, and both together are not longer.

std::string escaped(std::string_view text);
/// The text without characters that end a line, control a terminal or change the direction of writing, and
/// without bytes that are not UTF-8. They become \n, \t or \xNN. Quotes and backslashes stay, so a text that
/// is escaped already does not change.

class LogLine
/// One line of the log in logfmt: what happened, then key=value pairs.
///
/// A value that is empty or has blanks, quotes or '=' is put in double quotes. In it, quotes and backslashes
/// are escaped with a backslash, and the rest as by escaped(). So a text from the database can neither end
/// the line nor look like another key, whatever program shows the log.
{
public:
    explicit LogLine(std::string_view event) : _text(event) {}

    LogLine& add(std::string_view key, std::string_view value);
    /// Appends ` key=value`, shortened, quoted and escaped where necessary.

    template <std::integral Number>
    LogLine& add(std::string_view key, Number value)
    {
        return add(key, std::string_view(std::to_string(value)));
    }

    const std::string& text() const { return _text; }

private:
    std::string _text;
};

} // namespace HangDetection
