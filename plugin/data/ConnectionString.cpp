#include "ConnectionString.h"

#include "libpq/ConnectionText.h"

#include <Poco/StringTokenizer.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

namespace HangDetection {

namespace {

using Libpq::numberIn;
using Libpq::valueOf;

constexpr std::array<std::pair<const char*, const char*>, 5> defaults{{
    {"target_session_attrs", "read-write"},
    {"keepalives_idle", "30"},
    {"keepalives_interval", "10"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "30000"},
}};

constexpr const char* passwordAdvice = "In a URI, write : / @ # ? and % of a password as %3A %2F %40 %23 %3F "
                                       "and %25, or put the password into a passfile";

bool arePorts(const std::string& list)
/// Whether every element of a list with commas is a port, or empty, which means the default port.
{
    const std::vector<std::string> ports = Libpq::elementsOf(list);
    return std::ranges::all_of(ports, [](const std::string& port) {
        const auto number = numberIn(port);
        return port.empty() || (number && *number >= 1 && *number <= 65535);
    });
}

bool isPartOfAPassword(std::string_view keyword, const std::string& value)
/// Whether the value can only be a part of a password that was not escaped.
{
    if (keyword == "port")
        return !arePorts(value);
    // A socket directory or an abstract socket may have any name.
    return keyword == "host" && value.find('@', value.starts_with('@') ? 1 : 0) != std::string::npos &&
           !value.starts_with('/');
}

bool isPasswordCut(std::string_view text)
/// Whether libpq reads only a part of the password. In a URI, libpq ends the password at the first @, and
/// reads none after a slash.
{
    if (!text.starts_with("postgres://") && !text.starts_with("postgresql://"))
        return false;
    text.remove_prefix(text.find("//") + 2);
    return text.find('@', text.find_first_of("@/") + 1) != std::string_view::npos;
}

bool isNearly(std::string_view word, std::string_view keyword)
/// Whether one character is missing, added or another, or two neighbours are swapped.
{
    while (!word.empty() && !keyword.empty() && word.front() == keyword.front()) {
        word.remove_prefix(1);
        keyword.remove_prefix(1);
    }
    while (!word.empty() && !keyword.empty() && word.back() == keyword.back()) {
        word.remove_suffix(1);
        keyword.remove_suffix(1);
    }
    const bool isSwapped =
        word.size() == 2 && keyword.size() == 2 && word[0] == keyword[1] && word[1] == keyword[0];
    return isSwapped || std::max(word.size(), keyword.size()) == 1;
}

std::string misspelledIn(const std::string& text)
/// A question about the first word that is nearly a keyword of libpq. It does not show the word, and ends at
/// a password, which may hold anything.
{
    const Libpq::ConnectionOptions known = Libpq::writtenOptions("");
    const Poco::StringTokenizer pairs(text, " \t", Poco::StringTokenizer::TOK_IGNORE_EMPTY);
    for (const std::string& pair : pairs) {
        const std::string word = pair.substr(0, pair.find('='));
        if (word.find("pass") != std::string::npos)
            break;
        for (const PQconninfoOption* option = known.get(); option != nullptr && option->keyword != nullptr;
             ++option) {
            if (word.size() < pair.size() && isNearly(word, option->keyword))
                return std::string("; is ") + option->keyword + " misspelled?";
        }
    }
    return "";
}

} // namespace

ConnectionString ConnectionString::parse(const std::string& text)
{
    if (text.empty())
        throw ConnectionStringError("is empty; allowed: a libpq connection string or URI");

    const Libpq::ConnectionOptions options = Libpq::writtenOptions(text);
    if (!options)
        throw ConnectionStringError(
            std::string("is not a libpq connection string; allowed: keyword=value pairs, such as "
                        "host=db.example.org dbname=coder user=hang_detector, or a URI, such as "
                        "postgresql://hang_detector@db.example.org/coder") +
            misspelledIn(text));

    if (isPasswordCut(text))
        throw ConnectionStringError(
            std::string("has an @ that cannot be the end of a password; allowed is one, "
                        "before the host. ") +
            passwordAdvice);

    ConnectionString result;
    Libpq::appendOption(result._text, "fallback_application_name", "hang_detector");
    if (!valueOf(options, "service")) {
        for (const auto& [keyword, value] : defaults)
            Libpq::appendOption(result._text, keyword, value);
    }
    for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
        if (option->val == nullptr)
            continue;
        const std::string_view keyword = option->keyword;
        const std::string value = option->val;
        if (isPartOfAPassword(keyword, value))
            throw ConnectionStringError(
                "has a " + std::string(keyword) +
                " that cannot be one; allowed are names without @ and ports from 1 to 65535. " +
                passwordAdvice);
        if ((keyword == "password" || keyword == "sslpassword") && !value.empty())
            result._hasPassword = true;
        if (keyword == "connect_timeout" && !numberIn(value))
            throw ConnectionStringError("has a connect_timeout that is not a whole number of seconds");
        Libpq::appendOption(result._text, keyword, value);
    }
    if (!Libpq::hostsOf(options))
        throw ConnectionStringError("has lists of different lengths; allowed are as many elements in host "
                                    "as in hostaddr and port, or a single port for all");
    Libpq::appendOption(result._text, "client_encoding", "SQL_ASCII");
    return result;
}

std::string ConnectionString::database() const
{
    const Libpq::ConnectionOptions options = Libpq::writtenOptions(_text);
    if (const auto service = valueOf(options, "service"))
        return "the database of the service " + *service;
    const auto name = valueOf(options, "dbname");
    const auto host = valueOf(options, "host");
    return (name ? "the database " + *name : "the default database") + " on " +
           host.value_or(valueOf(options, "hostaddr").value_or("this machine"));
}

} // namespace HangDetection
