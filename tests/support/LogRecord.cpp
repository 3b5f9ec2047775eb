#include "LogRecord.h"

#include <algorithm>
#include <clocale>
#include <cwchar>
#include <cwctype>
#include <stdexcept>

namespace HangDetection::Test {

namespace {

[[noreturn]] void refuse(const char* reason)
{
    throw std::runtime_error(std::string("not logfmt: ") + reason);
}

char taken(std::string_view& rest)
/// The first character, which is taken off.
{
    if (rest.empty())
        refuse("the line ends in the middle of a value");
    const char c = rest.front();
    rest.remove_prefix(1);
    return c;
}

int digit(char c)
{
    constexpr std::string_view digits = "0123456789abcdef";
    const auto value = digits.find(c);
    if (value == std::string_view::npos)
        refuse("\\x without two digits");
    return static_cast<int>(value);
}

char escaped(std::string_view& rest)
{
    const char c = taken(rest);
    if (c == 'x') {
        const int high = digit(taken(rest));
        return static_cast<char>(high * 16 + digit(taken(rest)));
    }
    constexpr std::string_view escapes = "\"\\nt";
    const auto at = escapes.find(c);
    if (at == std::string_view::npos)
        refuse("an escape that is none");
    return "\"\\\n\t"[at];
}

std::string quotedValue(std::string_view& rest)
{
    std::string value;
    for (char c = taken(rest); c != '"'; c = taken(rest))
        value += c == '\\' ? escaped(rest) : c;
    return value;
}

std::string plainValue(std::string_view& rest)
{
    const std::string_view value = rest.substr(0, rest.find(' '));
    if (value.empty() || value.find_first_of("\"\\=") != std::string_view::npos)
        refuse("a value that needs quotes");
    rest.remove_prefix(value.size());
    return std::string(value);
}

bool isTurn(wchar_t c)
/// A character that turns the direction of writing, so that a line looks like another.
{
    return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

} // namespace

LogRecord LogRecord::read(std::string_view line)
{
    LogRecord record;
    const auto equals = line.find('=');
    const auto eventEnd = equals == std::string_view::npos ? line.size() : line.rfind(' ', equals);
    if (eventEnd == std::string_view::npos)
        refuse("no event");
    record.event = line.substr(0, eventEnd);
    if (record.event.find('"') != std::string::npos)
        refuse("an event with quotes");

    std::string_view rest = line.substr(eventEnd);
    while (!rest.empty()) {
        if (taken(rest) != ' ')
            refuse("no blank between two pairs");
        const std::string key(rest.substr(0, rest.find('=')));
        if (key.empty() || key.size() == rest.size() || !std::all_of(key.begin(), key.end(), [](char c) {
                return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
            }))
            refuse("a key that is none");
        rest.remove_prefix(key.size() + 1);
        const bool isQuoted = rest.starts_with('"');
        if (isQuoted)
            rest.remove_prefix(1);
        record.pairs.emplace_back(key, isQuoted ? quotedValue(rest) : plainValue(rest));
    }
    return record;
}

bool isOneLineOfText(std::string_view text)
{
    static const bool isUtf8 = std::setlocale(LC_CTYPE, "C.UTF-8") != nullptr;
    if (!isUtf8)
        throw std::runtime_error("no locale C.UTF-8 on this machine");
    std::mbstate_t state{};
    while (!text.empty()) {
        wchar_t c = 0;
        const std::size_t length = std::mbrtowc(&c, text.data(), text.size(), &state);
        // Neither a zero nor one of the two large numbers that stand for errors.
        if (length == 0 || length > text.size() || std::iswcntrl(static_cast<std::wint_t>(c)) != 0 ||
            isTurn(c))
            return false;
        text.remove_prefix(length);
    }
    return true;
}

} // namespace HangDetection::Test
