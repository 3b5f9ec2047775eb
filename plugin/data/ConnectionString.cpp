#include "ConnectionString.h"

#include <Poco/StringTokenizer.h>
#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

namespace HangDetection {

namespace {

/// Not first in the alphabet on purpose: Poco puts its own connect_timeout before
/// a string whose first key sorts after it, and libpq takes the last one.
constexpr std::pair<const char*, const char*> firstDefault{"fallback_application_name", "hang_detector"};

constexpr std::array<std::pair<const char*, const char*>, 6> defaults{{
    {"client_encoding", "UTF8"},
    {"target_session_attrs", "read-write"},
    {"keepalives_idle", "30"},
    {"keepalives_interval", "10"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "30000"},
}};

void append(std::string& text, std::string_view keyword, std::string_view value)
{
    if (!text.empty())
        text += '\t';
    text += keyword;
    text += "='";
    for (const char c : value) {
        if (c == '\'' || c == '\\')
            text += '\\';
        text += c;
    }
    text += '\'';
}

bool hasValue(const PQconninfoOption* options, std::string_view keyword)
{
    for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
        if (keyword == option->keyword)
            return option->val != nullptr;
    }
    return false;
}

bool arePorts(const std::string& list)
/// Whether every element of a list with commas is a port, or empty for the default one.
{
    const Poco::StringTokenizer ports(list, ",");
    return std::all_of(ports.begin(), ports.end(), [](const std::string& port) {
        int number = 1;
        const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
        return port.empty() ||
               (error == std::errc{} && end == port.data() + port.size() && number >= 1 && number <= 65535);
    });
}

bool isPartOfAPassword(std::string_view keyword, const std::string& value, bool isUri)
/// Whether the value can only come from a password that was not written as a URI wants it.
{
    if (keyword == "port")
        return !arePorts(value);
    if (keyword == "host")
        // A socket directory or an abstract socket may have any name.
        return value.find('@', value.starts_with('@') ? 1 : 0) != std::string::npos &&
               !value.starts_with('/');
    return keyword == "dbname" && isUri && value.find('@') != std::string::npos;
}

} // namespace

ConnectionString ConnectionString::parse(const std::string& text)
{
    using Options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

    if (text.empty())
        throw ConnectionStringError("is empty; allowed: a libpq connection string or URI");

    char* message = nullptr;
    const Options options(PQconninfoParse(text.c_str(), &message), &PQconninfoFree);
    PQfreemem(message);
    if (!options)
        throw ConnectionStringError("is not a libpq connection string; allowed: keyword=value pairs, such as "
                                    "host=db.example.org dbname=coder user=hang_detector, or a URI, such as "
                                    "postgresql://hang_detector@db.example.org/coder");

    const bool isUri = text.starts_with("postgres://") || text.starts_with("postgresql://");
    ConnectionString result;
    append(result._text, firstDefault.first, firstDefault.second);
    if (!hasValue(options.get(), "service")) {
        for (const auto& [keyword, value] : defaults)
            append(result._text, keyword, value);
    }

    for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
        if (option->val == nullptr)
            continue;
        const std::string_view keyword = option->keyword;
        std::string value = option->val;
        if (isPartOfAPassword(keyword, value, isUri))
            throw ConnectionStringError(
                "has a " + std::string(keyword) +
                " that cannot be one; allowed are names without @ and ports from 1 to 65535. "
                "In a URI, write : / @ # ? and % of a password as %3A %2F %40 %23 %3F and %25, "
                "or put the password into a passfile");
        // The server takes any white space between its options, so nothing is lost here.
        if (keyword == "options")
            std::replace(value.begin(), value.end(), ' ', '\t');
        // Poco::Data cuts the string at each blank, and libpq has no other way to write one.
        if (value.find(' ') != std::string::npos)
            throw ConnectionStringError(
                "has a blank in the value of " + std::string(keyword) +
                ", which is not supported; put a password with blanks into a passfile");
        if ((keyword == "password" || keyword == "sslpassword") && !value.empty())
            result._hasPassword = true;
        append(result._text, keyword, value);
    }
    append(result._text, "connect_timeout", std::to_string(connectTimeout.count()));
    return result;
}

} // namespace HangDetection
