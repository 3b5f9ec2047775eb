#include "ConnectionString.h"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <optional>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

namespace HangDetection {

namespace {

constexpr std::array<std::pair<const char*, const char*>, 6> defaults{{
    {"client_encoding", "UTF8"},
    {"target_session_attrs", "read-write"},
    {"keepalives_idle", "30"},
    {"keepalives_interval", "10"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "30000"},
}};

constexpr const char* passwordAdvice = "In a URI, write : / @ # ? and % of a password as %3A %2F %40 %23 %3F "
                                       "and %25, or put the password into a passfile";

/// The values of host, hostaddr and port, of those that are there.
using HostLists = std::vector<std::pair<std::string_view, std::vector<std::string>>>;

void append(std::string& text, std::string_view keyword, std::string_view value)
{
    if (!text.empty())
        text += ' ';
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

std::vector<std::string> elementsOf(const std::string& list)
/// Of a list with commas, as libpq cuts it: empty ones, too.
{
    std::vector<std::string> elements;
    std::istringstream stream(list + ',');
    for (std::string element; std::getline(stream, element, ',');)
        elements.push_back(element);
    return elements;
}

std::optional<int> numberIn(const std::string& text)
/// The whole text as a number; nothing when it is none.
{
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

bool arePorts(const std::string& list)
/// Whether every element of a list with commas is a port, or empty for the default one.
{
    const std::vector<std::string> ports = elementsOf(list);
    return std::ranges::all_of(ports, [](const std::string& port) {
        const auto number = numberIn(port);
        return port.empty() || (number && *number >= 1 && *number <= 65535);
    });
}

std::chrono::seconds timeoutFrom(const std::string& value)
{
    const auto seconds = numberIn(value);
    if (!seconds)
        throw ConnectionStringError("has a connect_timeout that is no whole number of seconds");
    // Without one libpq waits for ever; here, RunTimeout is the bound in any case.
    return *seconds > 0 ? std::chrono::seconds(*seconds) : std::chrono::hours(1);
}

std::vector<std::string> combine(const std::string& common, const HostLists& lists)
/// A connection string for each element of the lists; one when there is no list.
{
    std::size_t count = 1;
    for (const auto& [keyword, elements] : lists)
        count = std::max(count, elements.size());
    for (const auto& [keyword, elements] : lists) {
        if (elements.size() != count && !(keyword == "port" && elements.size() == 1))
            throw ConnectionStringError(
                "has lists of different lengths; allowed are as many elements in host "
                "as in hostaddr and port, or a single port for all");
    }

    std::vector<std::string> hosts(count, common);
    for (const auto& [keyword, elements] : lists) {
        for (std::size_t i = 0; i < count; ++i)
            append(hosts[i], keyword, elements[elements.size() == 1 ? 0 : i]);
    }
    return hosts;
}

bool isPartOfAPassword(std::string_view keyword, const std::string& value)
/// Whether the value can only come from a password that was not written as it has to be.
{
    if (keyword == "port")
        return !arePorts(value);
    // A socket directory or an abstract socket may have any name.
    return keyword == "host" && value.find('@', value.starts_with('@') ? 1 : 0) != std::string::npos &&
           !value.starts_with('/');
}

bool isPasswordCut(std::string_view text)
/// Whether libpq takes only a part of a password for one: it ends at the first @ of a URI,
/// and is none behind a slash.
{
    if (!text.starts_with("postgres://") && !text.starts_with("postgresql://"))
        return false;
    text.remove_prefix(text.find("//") + 2);
    return text.find('@', text.find_first_of("@/") + 1) != std::string_view::npos;
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

    if (isPasswordCut(text))
        throw ConnectionStringError(
            std::string("has an @ that cannot be the end of a password; allowed is one, "
                        "before the host. ") +
            passwordAdvice);

    ConnectionString result;
    HostLists lists;
    std::string common;
    append(common, "fallback_application_name", "hang_detector");
    if (!hasValue(options.get(), "service")) {
        for (const auto& [keyword, value] : defaults)
            append(common, keyword, value);
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
        if (keyword == "connect_timeout")
            result._connectTimeout = timeoutFrom(value);
        if (keyword == "host" || keyword == "hostaddr" || keyword == "port")
            lists.emplace_back(keyword, elementsOf(value));
        else
            append(common, keyword, value);
    }
    result._hosts = combine(common, lists);
    return result;
}

} // namespace HangDetection
