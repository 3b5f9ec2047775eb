#include "LogRecord.h"

#include <Poco/NumberParser.h>
#include <Poco/RegularExpression.h>

#include <clocale>
#include <cwchar>
#include <cwctype>
#include <stdexcept>

namespace HangDetection::Test {

namespace {

std::string unescaped(const std::string& text)
/// All escapes in it are valid.
{
    std::string value;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            value += text[i];
        } else if (text[++i] == 'x') {
            value += static_cast<char>(Poco::NumberParser::parseHex(text.substr(i + 1, 2)));
            i += 2;
        } else {
            value += text[i] == 'n' ? '\n' : text[i] == 't' ? '\t' : text[i];
        }
    }
    return value;
}

bool isTurn(wchar_t c)
/// A character that turns the direction of writing, so that a line looks like another.
{
    return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

} // namespace

LogRecord LogRecord::read(std::string_view line)
{
    using Poco::RegularExpression;
    constexpr int options = RegularExpression::RE_ANCHORED | RegularExpression::RE_DOLLAR_ENDONLY;
    // A value is plain, or in quotes, with escapes.
    static const RegularExpression pair(
        R"RE( ([a-z0-9_]+)=(?:([^ "\\=]+)|"((?:[^"\\]++|\\["\\nt]|\\x[0-9a-f]{2})*+)")(?= |$))RE", options);

    const std::string text(line);
    const auto equals = text.find('=');
    auto at = equals == std::string::npos ? text.size() : text.rfind(' ', equals);
    LogRecord record{text.substr(0, at), {}};
    RegularExpression::MatchVec parts;
    while (at < text.size() && pair.match(text, at, parts) > 0) {
        const auto part = [&](std::size_t i) { return text.substr(parts[i].offset, parts[i].length); };
        record.pairs.emplace_back(part(1), parts.size() == 3 ? part(2) : unescaped(part(3)));
        at += parts[0].length;
    }
    if (at != text.size() || record.event.find('"') != std::string::npos)
        throw std::runtime_error("not logfmt from here: " + text.substr(std::min(at, text.size())));
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
