#include "Surroundings.h"

#include "DatabaseError.h"
#include "libpq/ConnectionText.h"
#include "libpq/Errors.h"

#include <Poco/Environment.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace HangDetection {

namespace fs = std::filesystem;

namespace {

using Libpq::appendOption;
using Libpq::ConnectionOptions;
using Libpq::valueOf;
using Scope = DatabaseError::Scope;

struct Account
{
    std::string name;
    fs::path home;
};

Account ownAccount()
/// The account of the user that runs the process. A user without an account gets a home that does not exist.
/// Throws ConnectionRefused when a shortage hides the account.
{
    passwd entry{};
    passwd* found = nullptr;
    std::vector<char> buffer(16384);
    const int error = getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found);
    if (error == EMFILE || error == ENFILE || error == ENOMEM)
        throw Libpq::ConnectionRefused({"the account of slurmctld's user cannot be looked up: " +
                                        std::generic_category().message(error)});
    return found == nullptr ? Account{"", "/nonexistent"} : Account{entry.pw_name, entry.pw_dir};
}

std::string variableFor(const PQconninfoOption& option)
/// The environment variable that would set the option; empty when there is none.
{
    if (option.val != nullptr)
        return "";
    if (option.envvar != nullptr && Poco::Environment::has(option.envvar))
        return option.envvar;
    const std::string outdated = "PGREQUIRESSL";
    return option.keyword == std::string_view("sslmode") && Poco::Environment::has(outdated) ? outdated : "";
}

std::string defaultOf(const PQconninfoOption& option, const ConnectionOptions& options)
/// The value of the option when its environment variable is not set.
{
    const std::string_view keyword = option.keyword;
    if (keyword == "user")
        return ownAccount().name;
    if (keyword == "application_name")
        return valueOf(options, "fallback_application_name").value_or("");
    if (keyword == "sslmode" && valueOf(options, "sslrootcert") == "system")
        return "verify-full";
    // libpq has no text for the default of these options, and refuses an empty one.
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
/// libpq looks for the user's own service file in the directory that HOME names. Throws DatabaseError when
/// that is not the user's home, and one of the two directories has such a file.
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

void useOwnFiles(std::string& text, const ConnectionOptions& options)
/// Names the files in the user's home that libpq would look for in the directory that HOME names.
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
        // If sslcrl names a file that is missing, libpq does not use sslcrldir either.
        const bool isReplaced = keyword == std::string_view("sslcrl") && isSaid("sslcrldir");
        if (!isSaid(keyword) && !isReplaced)
            appendOption(text, keyword, (home / file).string());
    }
}

void keepEnvironmentOut(std::string& text, const ConnectionOptions& options)
{
    if (Poco::Environment::has("PGSERVICE"))
        throw DatabaseError(Scope::connection, "PGSERVICE in the environment of slurmctld names a service",
                            "",
                            "unset PGSERVICE in the environment of slurmctld; Connection in "
                            "hang_detector.conf can name a service");
    const bool isService = valueOf(options, "service").has_value();
    for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
        const std::string keyword = option->keyword;
        const std::string variable = variableFor(*option);
        // PGSERVICEFILE may name the file of a service. Without a service it has no effect.
        if (variable.empty() || keyword == "servicefile")
            continue;
        if (isService)
            throw decidedByVariable(variable, keyword);
        appendOption(text, keyword, defaultOf(*option, options));
    }
}

} // namespace

std::string withoutSurroundings(const ConnectionString& connection)
{
    std::string text = connection.secretText();
    const ConnectionOptions written = Libpq::writtenOptions(text);
    if (!written)
        throw std::bad_alloc(); // ConnectionString::parse() could read it, so only memory is missing
    try {
        keepEnvironmentOut(text, written);
        if (valueOf(written, "service"))
            requireOwnServiceFile();
        useOwnFiles(text, Libpq::optionsOf(text));
    } catch (const Libpq::ConnectionRefused& refusal) {
        throw DatabaseError::fromConnecting(refusal);
    }
    return text;
}

} // namespace HangDetection
