#include "ConnectionString.h"

#include "libpq/ConnectionText.h"

#include <Poco/StringTokenizer.h>

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
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

std::size_t changesBetween(std::string_view one, std::string_view other)
/// How many characters have to be added, left out or replaced.
{
    std::vector<std::size_t> row(other.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= one.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= other.size(); ++j) {
            const std::size_t replaced = diagonal + (one[i - 1] == other[j - 1] ? 0 : 1);
            diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
        }
    }
    return row.back();
}

std::string misspelledIn(const std::string& text)
/// A sentence about the first keyword that is nearly one of libpq's. Other words are not shown, as they may
/// be parts of a password.
{
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> known(PQconndefaults(),
                                                                             &PQconninfoFree);
    const Poco::StringTokenizer pairs(text, " \t", Poco::StringTokenizer::TOK_IGNORE_EMPTY);
    for (const std::string& pair : pairs) {
        const auto end = pair.find('=');
        if (end == std::string::npos)
            continue;
        const std::string word = pair.substr(0, end);
        std::string_view nearest;
        for (const PQconninfoOption* option = known.get(); option != nullptr && option->keyword != nullptr;
             ++option) {
            const std::size_t changes = changesBetween(word, option->keyword);
            if (changes == 0) {
                nearest = {};
                break;
            }
            if (changes == 1 && nearest.empty())
                nearest = option->keyword;
        }
        if (!nearest.empty())
            return "; " + word + " is no keyword of libpq, but " + std::string(nearest) + " is";
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
