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
/// that show a log: U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069.
{
    return bytes[0] == 0xE2 && ((bytes[1] == 0x80 && (bytes[2] == 0x8E || bytes[2] == 0x8F)) ||
                                (bytes[1] == 0x80 && bytes[2] >= 0xA8 && bytes[2] <= 0xAE) ||
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
    const bool isArabicMark = bytes[0] == 0xD8 && bytes[1] == 0x9C; // U+061C
    if (isArabicMark || (length == 3 && isLayout(bytes)))
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

void append(std::string& line, std::string_view text, std::string_view backslashed)
/// Escapes the text. Characters that are to get a backslash are named.
{
    while (!text.empty()) {
        const std::size_t length = characterLength(text);
        if (length == 0) {
            appendEscaped(line, static_cast<unsigned char>(text.front()));
            text.remove_prefix(1);
            continue;
        }
        if (backslashed.find(text.front()) != std::string_view::npos)
            line += '\\';
        line += text.substr(0, length);
        text.remove_prefix(length);
    }
}

bool isPlain(unsigned char c)
{
    return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

} // namespace

std::string shortened(std::string_view text)
{
    constexpr std::string_view mark = "...[cut]";
    if (text.size() <= longestText)
        return std::string(text);
    // A character has three bytes after its first one, at most.
    const auto isInside = [&](std::size_t at) {
        return (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80;
    };
    std::size_t end = longestText - mark.size();
    for (int i = 0; i < 3 && isInside(end); ++i)
        --end;
    return std::string(text.substr(0, end)).append(mark);
}

std::string escaped(std::string_view text)
{
    std::string line;
    append(line, text, "");
    return line;
}

LogLine& LogLine::add(std::string_view key, std::string_view value)
{
    _text += ' ';
    _text += key;
    _text += '=';
    const std::string shown = shortened(value);
    if (!shown.empty() && std::ranges::all_of(shown, isPlain)) {
        _text += shown;
        return *this;
    }
    _text += '"';
    append(_text, shown, "\"\\");
    _text += '"';
    return *this;
}

} // namespace HangDetection
