#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace HangDetection::Test {

struct LogRecord
/// A line of the log as a strict reader of logfmt takes it.
{
    std::string event;
    std::vector<std::pair<std::string, std::string>> pairs;
    /// Keys and values, in their order.

    static LogRecord read(std::string_view line);
    /// Throws std::runtime_error when the line is anything but an event, of words
    /// without quotes or `=`, and then key=value pairs, each after one blank.

    bool operator==(const LogRecord&) const = default;
};

bool isOneLineOfText(std::string_view text);
/// Whether the text is UTF-8 without a character that controls a terminal, ends a line
/// or turns the direction of writing. Asks the C library, whose locale it sets.

} // namespace HangDetection::Test
