#include "LogLine.h"

#include <Poco/UTF8Encoding.h>

#include <algorithm>
#include <array>
#include <cstddef>

namespace HangDetection {

namespace {

bool isControl(unsigned char c)
{
    return c < 0x20 || c == 0x7f;
}

bool isLayout(const unsigned char* bytes)
/// Whether this character of three bytes ends a line or changes the direction of writing in some programs
/// that show a log: U+2028 to U+202E, U+2066 to U+2069.
{
    return bytes[0] == 0xE2 && ((bytes[1] == 0x80 && bytes[2] >= 0xA8 && bytes[2] <= 0xAE) ||
                                (bytes[1] == 0x81 && bytes[2] >= 0xA6 && bytes[2] <= 0xA9));
}

std::size_t characterLength(std::string_view text)
/// The length in bytes of the UTF-8 character at the start of the text. 0 when there is none, or when it is a
/// control character (also U+0080 to U+009F) or layout.
{
    const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
    if (bytes[0] < 0x80)
        return isControl(bytes[0]) ? 0 : 1;
    if (bytes[0] == 0xC2 && text.size() > 1 && bytes[1] < 0xA0)
        return 0;
    const int length = bytes[0] >= 0xF0 ? 4 : bytes[0] >= 0xE0 ? 3 : 2;
    if (static_cast<std::size_t>(length) > text.size() || !Poco::UTF8Encoding::isLegal(bytes, length))
        return 0;
    if (length == 3 && isLayout(bytes))
        return 0;
    return static_cast<std::size_t>(length);
}

void appendEscaped(std::string& line, unsigned char c)
{
    constexpr std::string_view digits = "0123456789abcdef";
    if (c == '\n')
        line += "\\n";
    else if (c == '\t')
        line += "\\t";
    else
        (line += "\\x").append({digits[c >> 4U], digits[c & 15U]});
}

bool isPlain(unsigned char c)
{
    return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

} // namespace

LogLine& LogLine::add(std::string_view key, std::string_view value)
{
    _text += ' ';
    _text += key;
    _text += '=';
    if (!value.empty() && std::ranges::all_of(value, isPlain)) {
        _text += value;
        return *this;
    }
    _text += '"';
    while (!value.empty()) {
        const std::size_t length = characterLength(value);
        if (length == 0) {
            appendEscaped(_text, static_cast<unsigned char>(value.front()));
            value.remove_prefix(1);
            continue;
        }
        if (value.front() == '"' || value.front() == '\\')
            _text += '\\';
        _text += value.substr(0, length);
        value.remove_prefix(length);
    }
    _text += '"';
    return *this;
}

} // namespace HangDetection
