#include "Surroundings.h"

#include "DatabaseError.h"
#include "libpq/ConnectionText.h"
#include "libpq/Errors.h"

#include <Poco/Environment.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <new>
#include <string_view>
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
        // The file of a service does not count unless Connection names a service.
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
        throw std::bad_alloc(); // it was read before
    keepEnvironmentOut(text, written);
    if (valueOf(written, "service"))
        requireOwnServiceFile();
    try {
        useOwnFiles(text, Libpq::optionsOf(text));
    } catch (const Libpq::ConnectionRefused& refusal) {
        throw DatabaseError::fromConnecting(refusal);
    }
    return text;
}

} // namespace HangDetection
