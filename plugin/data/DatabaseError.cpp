#include "DatabaseError.h"

#include "Duration.h"
#include "libpq/Errors.h"

#include <Poco/Ascii.h>
#include <Poco/Exception.h>
#include <Poco/String.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace HangDetection {

namespace {

using Scope = DatabaseError::Scope;

/// A restart of the server causes several errors, one after the other. All get this advice.
constexpr const char* unreachableAdvice =
    "check Connection in hang_detector.conf, the network, and that the database server is up; see the log of "
    "the database server; nothing to do if it was restarted on purpose";

constexpr const char* connectionsAdvice =
    "no connection is left for the detector's role; find out what holds them, or raise max_connections, or "
    "the CONNECTION LIMIT of the role or the database";

constexpr const char* slowAdvice = "raise RunTimeout, or find out what slows the database down";

struct KnownState
/// An error that every job of a run would get, by its SQLSTATE or the class of its SQLSTATE.
{
    std::string_view prefix;
    Scope scope;
    const char* advice;
};

constexpr const char* standbyAdvice =
    "the server is a standby or the session is read-only; let Connection name the primary, or all hosts";

constexpr const char* schemaAdvice = "the database is not that of a Coder deployment that this release "
                                     "supports, or is older than PostgreSQL 13";

/// For two errors: the session lacks a statement that the detector has prepared, or has a statement already
/// that the detector wants to prepare.
constexpr const char* poolerAdvice =
    "a pooler between the detector and the server shares out the sessions; let Connection lead to the server "
    "itself, or to a pooler in session mode";

/// The function of PostgreSQL that raises the error: with row_security=off it refuses a statement if a policy
/// would hide some of its rows. The SQLSTATE is that of any missing privilege, so only the function shows the
/// cause.
constexpr const char* rowSecurityRoutine = "check_enable_rls";
constexpr const char* rowSecurityAdvice =
    "row level security would hide rows of a table from the detector's role; let a superuser run ALTER ROLE "
    "with BYPASSRLS for that role";

/// The first match counts. The codes are those of the PostgreSQL manual, appendix "Error Codes".
constexpr std::array<KnownState, 19> knownStates{{
    {"08", Scope::connection, unreachableAdvice},
    {"0A", Scope::database, schemaAdvice},
    {"25006", Scope::connection, standbyAdvice},
    {"26000", Scope::connection, poolerAdvice},
    {"3F000", Scope::database, "check the search_path of the detector's role"},
    {"42501", Scope::database, "run the hang detector's role.sql again; it grants what the role needs"},
    {"42P01", Scope::database,
     "Connection must lead to the database of a Coder deployment; check dbname, and the search_path of the "
     "role"},
    {"42P05", Scope::connection, poolerAdvice},
    {"42703", Scope::database, "this database does not have the columns of a Coder deployment; check dbname"},
    {"42", Scope::database, schemaAdvice},
    {"53100", Scope::database, "free space on the disk of the database server"},
    {"53200", Scope::database, "the database server is out of memory or of locks; see its log"},
    {"53300", Scope::database, connectionsAdvice},
    {"53", Scope::database, "the database server has reached a limit; see its log"},
    {"54", Scope::database, "the server has reached one of its limits; see its log"},
    {"55P03", Scope::database,
     "a table stayed locked for longer than lock_timeout, as by a migration; nothing to do"},
    {"57014", Scope::database, slowAdvice},
    {"57P", Scope::connection, unreachableAdvice},
    {"58", Scope::database, "the server has a problem with its disk; see its log"},
}};

struct KnownRefusal
/// A refusal of a connection by the server, by its SQLSTATE or the class of its SQLSTATE.
{
    std::string_view prefix;
    const char* advice;
};

constexpr const char* loginAdvice = "check user and password of Connection in hang_detector.conf, its "
                                    "passfile, and pg_hba.conf of the server";

constexpr std::array<KnownRefusal, 6> knownRefusals{{
    {"22023",
     "check options of Connection in hang_detector.conf, and unset PGTZ, PGDATESTYLE and PGGEQO in the "
     "environment of slurmctld"},
    {"28", loginAdvice},
    {"3D000", "check dbname of Connection in hang_detector.conf"},
    {"42501", "grant the detector's role the privilege to connect to the database"},
    {"53300", connectionsAdvice},
    {"55000", "the database takes no connections; ALTER DATABASE ... ALLOW_CONNECTIONS true if that was not "
              "intended"},
}};

struct KnownVerdict
/// A part of libpq's own message, in English, about a connection that libpq gave up. A message in another
/// language gets the general advice.
{
    std::string_view part;
    const char* advice;
};

constexpr const char* tlsAdvice =
    "check sslmode, sslrootcert, sslcert and sslkey of Connection in hang_detector.conf, and the certificate "
    "of the server";

/// The first match counts. A killed server ends a TLS connection with "SSL error: unexpected eof", so that
/// comes before "SSL error".
constexpr std::array<KnownVerdict, 11> knownVerdicts{{
    {"not a regular file", "let Connection and the service file name files, not pipes, devices or folders"},
    {"unexpected eof", unreachableAdvice},
    {"read-only", standbyAdvice},
    {"hot standby", standbyAdvice},
    {"in recovery", standbyAdvice},
    {"certificate", tlsAdvice},
    {"private key", tlsAdvice},
    {"SSL error", tlsAdvice},
    {"not support SSL", tlsAdvice},
    {"no password supplied", loginAdvice},
    {"connect_timeout is no", "correct the service file"},
}};

struct ServerMessage
{
    std::string origin;
    std::string sqlState;
    std::string text;
};

bool isSqlState(std::string_view text)
{
    return text.size() == 5 &&
           std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); });
}

ServerMessage parseVerboseMessage(const std::string& text)
/// Reads "ERROR:  42P01: relation ...". The origin is the severity, in the server's language, and what stands
/// before it in its line. Further lines are left out, because they may quote rows. All members are empty when
/// the text holds no such message.
{
    constexpr std::string_view separator = ":  ";
    for (auto at = text.find(separator); at != std::string::npos; at = text.find(separator, at + 1)) {
        const auto state = at + separator.size();
        if (text.size() < state + 7 || text.compare(state + 5, 2, ": ") != 0)
            continue;
        if (!isSqlState(std::string_view(text).substr(state, 5)))
            continue;
        const auto line = text.rfind('\n', state) + 1;
        const auto cause = state + 7;
        return {text.substr(line, state - line), text.substr(state, 5),
                text.substr(cause, text.find('\n', cause) - cause)};
    }
    return {};
}

std::string withoutQuotedParts(const std::string& text)
/// Leaves out quoted parts, such as the names of hosts and files, because a name could contain a known
/// verdict.
{
    std::string result;
    bool isQuoted = false;
    for (const char c : text) {
        if (c == '"')
            isQuoted = !isQuoted;
        else if (!isQuoted)
            result += c;
    }
    return result;
}

std::string oneLine(std::string text)
{
    text = Poco::trim(text);
    for (char& c : text) {
        if (c == '\n' || c == '\t')
            c = ' ';
    }
    return text;
}

DatabaseError ofOneAddress(const std::string& text)
/// The error for one address, from libpq's verbose message about it.
{
    const ServerMessage message = parseVerboseMessage(text);
    if (!message.sqlState.empty()) {
        // The line begins with libpq's words about the server, which say what server it is.
        const std::string cause = oneLine(message.origin + message.text);
        for (const KnownRefusal& known : knownRefusals) {
            if (message.sqlState.starts_with(known.prefix))
                return {Scope::connection, cause, message.sqlState, known.advice};
        }
        return {Scope::connection, cause, message.sqlState, unreachableAdvice};
    }

    const std::string words = withoutQuotedParts(text);
    for (const KnownVerdict& known : knownVerdicts) {
        if (words.find(known.part) != std::string::npos)
            return {Scope::connection, oneLine(text), "", known.advice};
    }
    return {Scope::connection, oneLine(text), "", unreachableAdvice};
}

} // namespace

DatabaseError::DatabaseError(Scope scope, const std::string& cause, std::string sqlState, std::string advice)
    : std::runtime_error(cause), _scope(scope), _sqlState(std::move(sqlState)), _advice(std::move(advice))
{}

bool DatabaseError::cannotBeOfOneJob() const
{
    return _scope == Scope::connection || _sqlState.starts_with("53") || _sqlState == "57014";
}

bool DatabaseError::isObjectMissing() const
{
    return _scope == Scope::database && _sqlState.starts_with("42");
}

DatabaseError DatabaseError::afterRunTimeout(std::chrono::seconds runTimeout) const
{
    // If even the cancel got no answer, the connection is at fault.
    return {_scope, "RunTimeout of " + formatDuration(runTimeout) + " has passed", _sqlState,
            _sqlState.empty() ? _advice : slowAdvice};
}

std::string DatabaseError::kind() const
{
    // A restart of the server gives several causes but one advice. So does a pooler that shares sessions
    // between clients. There the advice is the kind. For other errors the cause is the kind, without its
    // digits: the numbers of blocks, processes or ports change with each attempt.
    const bool isAway = _sqlState.empty() || _sqlState.starts_with("57P");
    const bool isShared = _sqlState == "26000" || _sqlState == "42P05";
    const bool isAdviceTheNews = (isAway || isShared) && !_advice.empty();
    std::string kind = isAdviceTheNews ? _advice : what();
    std::erase_if(kind, [](unsigned char c) { return Poco::Ascii::isDigit(c); });
    return kind;
}

DatabaseError DatabaseError::fromStatement(const Poco::Exception& exception, bool connectionLost)
{
    const auto* const refusal = dynamic_cast<const Libpq::ServerError*>(&exception);
    if (refusal == nullptr) {
        if (connectionLost)
            return {Scope::connection, "the connection to the database was lost", "", unreachableAdvice};
        return {Scope::database, oneLine("the database client failed: " + exception.displayText()), "", ""};
    }

    // A trigger's message may have more lines, which may quote rows. Only the first line is kept.
    const std::string& sqlState = refusal->fields().sqlState;
    const std::string message = Poco::trim(refusal->fields().message);
    const std::string cause = oneLine(message.substr(0, message.find('\n')));
    if (sqlState == "42501" && refusal->fields().routine == rowSecurityRoutine)
        return {Scope::database, cause, sqlState, rowSecurityAdvice};
    for (const KnownState& known : knownStates) {
        if (sqlState.starts_with(known.prefix))
            return {connectionLost ? Scope::connection : known.scope, cause, sqlState, known.advice};
    }
    if (connectionLost)
        return {Scope::connection, cause, sqlState, unreachableAdvice};
    return {Scope::job, cause, sqlState, ""};
}

DatabaseError DatabaseError::fromConnecting(const Libpq::ConnectionRefused& refusal)
{
    std::vector<DatabaseError> errors;
    std::string causes;
    for (const std::string& text : refusal.causes()) {
        errors.push_back(ofOneAddress(text));
        causes += (causes.empty() ? "" : "; ") + std::string(errors.back().what());
    }
    const auto answer = std::ranges::find_if(errors, [](const auto& error) {
        return !error.sqlState().empty() && !error.sqlState().starts_with("57P");
    });
    if (answer != errors.end())
        return {Scope::connection, causes, answer->sqlState(), answer->advice()};
    const DatabaseError& first = errors.front();
    const bool areAlike =
        std::ranges::all_of(errors, [&](const auto& error) { return error.advice() == first.advice(); });
    return {Scope::connection, causes, areAlike ? first.sqlState() : "",
            areAlike ? first.advice() : unreachableAdvice};
}

} // namespace HangDetection
