#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace HangDetection {

class LogLine
/// One line of the log in logfmt: what happened, then key=value pairs.
///
/// A value with blanks, quotes, '=' or none at all is put in double quotes; quotes
/// and backslashes in it are escaped with a backslash; control characters, those of Unicode
/// that end a line or turn the direction of writing, and bytes that are not UTF-8 as \n,
/// \t or \xNN. So a text out of the database can neither end the line nor pass for
/// another key, wherever the log is looked at.
{
public:
    explicit LogLine(std::string_view event) : _text(event) {}

    LogLine& add(std::string_view key, std::string_view value);
    /// Appends ` key=value`, the value quoted and escaped where it has to be.

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
