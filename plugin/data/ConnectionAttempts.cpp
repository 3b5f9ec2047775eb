#include "ConnectionAttempts.h"

#include "DatabaseError.h"

#include <Poco/Environment.h>
#include <netdb.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

namespace HangDetection {

namespace fs = std::filesystem;

namespace {

using Scope = DatabaseError::Scope;

struct Account
{
    std::string name;
    fs::path home;
};

Account ownAccount()
/// Of the user that the process runs as. One that the system does not know has no home.
{
    passwd entry{};
    passwd* found = nullptr;
    std::vector<char> buffer(16384);
    getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found);
    return found == nullptr ? Account{"", "/nonexistent"} : Account{entry.pw_name, entry.pw_dir};
}

std::string variableFor(const PQconninfoOption& option)
/// The variable of the environment that would decide the option; empty when there is none.
{
    if (option.val != nullptr)
        return "";
    if (option.envvar != nullptr && Poco::Environment::has(option.envvar))
        return option.envvar;
    const std::string outdated = "PGREQUIRESSL";
    return option.keyword == std::string_view("sslmode") && Poco::Environment::has(outdated) ? outdated : "";
}

std::string defaultOf(const PQconninfoOption& option, const ConnectionOptions& options)
/// What counts without the variable.
{
    const std::string_view keyword = option.keyword;
    if (keyword == "user")
        return ownAccount().name;
    if (keyword == "application_name")
        return valueOf(options, "fallback_application_name").value_or("");
    if (keyword == "sslmode" && valueOf(options, "sslrootcert") == "system")
        return "verify-full";
    // libpq has no text for the default of these, and refuses an empty one.
    if (keyword == "sslcertmode")
        return "allow";
    if (keyword == "min_protocol_version" || keyword == "max_protocol_version")
        return "3.0";
    return option.compiled == nullptr ? "" : option.compiled;
}

DatabaseError decidedByVariable(const std::string& variable, const std::string& keyword)
{
    const std::string where = variable + " in the environment of slurmctld";
    return {Scope::connection, where + " would decide " + keyword + " of the connection", "",
            "unset " + where + ", or say " + keyword + " in Connection in hang_detector.conf"};
}

void requireOwnServiceFile()
/// libpq looks for a personal one where HOME says.
{
    const fs::path home = Poco::Environment::get("HOME", "");
    const fs::path ownHome = ownAccount().home;
    const char* const name = ".pg_service.conf";
    std::error_code ignored;
    if (home.empty() || Poco::Environment::has("PGSERVICEFILE") || fs::equivalent(home, ownHome, ignored))
        return;
    if (fs::exists(home / name, ignored) || fs::exists(ownHome / name, ignored))
        throw DatabaseError(Scope::connection,
                            "HOME in the environment of slurmctld would decide the service file: it is \"" +
                                home.string() + "\", and the home of its user is \"" + ownHome.string() + '"',
                            "",
                            "in the environment of slurmctld, unset HOME, or let PGSERVICEFILE name the "
                            "service file");
}

ConnectionOptions optionsOf(const std::string& text)
{
    ConnectionOptions options(PQconninfoParse(text.c_str(), nullptr), &PQconninfoFree);
    if (!options)
        throw DatabaseError(Scope::connection, "out of memory while connecting", "", "");
    return options;
}

ConnectionOptions withService(const std::string& text)
/// What libpq reads in the text and in the service that it names. It does not connect, as it refuses
/// the last words as soon as it has read the service; with a password it reads no passfile.
{
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(
        PQconnectStart((text + " password='?' gssencmode='?'").c_str()), &PQfinish);
    ConnectionOptions options(PQconninfo(connection.get()), &PQconninfoFree);
    if (!options)
        throw DatabaseError(Scope::connection, "out of memory while connecting", "", "");
    if (valueOf(options, "gssencmode") != "?" || !hostsOf(options))
        throw DatabaseError::fromConnecting(PQerrorMessage(connection.get()));
    return options;
}

void useOwnFiles(std::string& text, const ConnectionOptions& options)
/// Those that libpq would look for where HOME says.
{
    constexpr std::array<std::pair<const char*, const char*>, 5> files{{
        {"passfile", ".pgpass"},
        {"sslcert", ".postgresql/postgresql.crt"},
        {"sslkey", ".postgresql/postgresql.key"},
        {"sslrootcert", ".postgresql/root.crt"},
        {"sslcrl", ".postgresql/root.crl"},
    }};
    const auto isSaid = [&](const char* keyword) { return !valueOf(options, keyword).value_or("").empty(); };
    const fs::path home = ownAccount().home;
    for (const auto& [keyword, file] : files) {
        // libpq would not use the directory beside a file that is missing.
        const bool isReplaced = keyword == std::string_view("sslcrl") && isSaid("sslcrldir");
        if (!isSaid(keyword) && !isReplaced)
            appendOption(text, keyword, (home / file).string());
    }
}

std::chrono::seconds timeoutOf(const ConnectionOptions& options)
{
    const auto value = valueOf(options, "connect_timeout");
    if (!value)
        return std::chrono::seconds(10);
    const auto seconds = numberIn(*value);
    if (!seconds)
        throw DatabaseError(Scope::connection, "connect_timeout of the service is no whole number of seconds",
                            "", "correct the service file");
    // Without one libpq waits for ever; here, RunTimeout is the bound in any case.
    return *seconds > 0 ? std::chrono::seconds(*seconds) : std::chrono::hours(1);
}

std::vector<std::string> addressesOf(const std::string& host)
/// In the resolver's order; none when it fails.
{
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* first = nullptr;
    if (getaddrinfo(host.c_str(), nullptr, &hints, &first) != 0)
        return {};
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> results(first, &freeaddrinfo);
    std::vector<std::string> addresses;
    for (const addrinfo* result = first; result != nullptr; result = result->ai_next) {
        std::array<char, NI_MAXHOST> text{};
        if (getnameinfo(result->ai_addr, result->ai_addrlen, text.data(), text.size(), nullptr, 0,
                        NI_NUMERICHOST) == 0)
            addresses.emplace_back(text.data());
    }
    return addresses;
}

} // namespace

void keepEnvironmentOut(std::string& text)
{
    if (Poco::Environment::has("PGSERVICE"))
        throw DatabaseError(Scope::connection, "PGSERVICE in the environment of slurmctld names a service",
                            "",
                            "unset PGSERVICE in the environment of slurmctld; Connection in "
                            "hang_detector.conf can name a service");
    const ConnectionOptions options = optionsOf(text);
    const bool hasService = valueOf(options, "service").has_value();
    for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
        const std::string keyword = option->keyword;
        const std::string variable = variableFor(*option);
        // The file of a service does not count unless Connection names a service.
        if (variable.empty() || keyword == "servicefile")
            continue;
        if (hasService)
            throw decidedByVariable(variable, keyword);
        appendOption(text, keyword, defaultOf(*option, options));
    }
}

ConnectionAttempts::ConnectionAttempts(std::string secretText) : _text(std::move(secretText))
{
    ConnectionOptions options = optionsOf(_text);
    keepEnvironmentOut(_text);
    if (valueOf(options, "service")) {
        requireOwnServiceFile();
        options = withService(_text);
    }
    useOwnFiles(_text, options);

    const auto hosts = hostsOf(options).value();
    _hosts.assign(hosts.begin(), hosts.end());
    _timeout = timeoutOf(options);
    _isShuffled = valueOf(options, "load_balance_hosts") == "random"; // from libpq 16 on
    if (_isShuffled)
        std::shuffle(_hosts.begin(), _hosts.end(), std::random_device());
}

std::optional<std::string> ConnectionAttempts::next()
{
    if (_hosts.empty())
        return std::nullopt;
    Host host = std::move(_hosts.front());
    _hosts.pop_front();
    const bool isName = !host.name.empty() && !host.name.starts_with('/') && !host.name.starts_with('@');
    if (isName && host.address.empty()) {
        auto addresses = addressesOf(host.name);
        if (_isShuffled)
            std::shuffle(addresses.begin(), addresses.end(), std::random_device());
        // Without any, libpq looks the name up again, and says what is wrong with it.
        for (; !addresses.empty(); addresses.pop_back()) {
            host.address = addresses.back();
            _hosts.push_front(host);
        }
        if (!host.address.empty())
            _hosts.pop_front();
    }
    std::string text = _text;
    appendOption(text, "host", host.name);
    appendOption(text, "hostaddr", host.address);
    appendOption(text, "port", host.port);
    return text;
}

} // namespace HangDetection
