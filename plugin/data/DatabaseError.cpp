#include "DatabaseError.h"

#include <Poco/Exception.h>
#include <Poco/String.h>
#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace HangDetection {

namespace {

using Scope = DatabaseError::Scope;

struct KnownState
/// A SQLSTATE, or the class of one, that every job of a run would meet.
{
    std::string_view prefix;
    Scope scope;
    const char* advice;
};

constexpr const char* standbyAdvice =
    "the server is a standby or the session is read-only; let Connection name the primary, or all hosts";

constexpr const char* schemaAdvice =
    "the database is not one of a Coder deployment that this release knows, or older than PostgreSQL 13";

/// The first match counts. From the PostgreSQL manual, appendix "Error Codes".
constexpr std::array<KnownState, 14> knownStates{{
    {"08", Scope::connection, "check the network to the database"},
    {"0A", Scope::database, schemaAdvice},
    {"25006", Scope::connection, standbyAdvice},
    {"3F000", Scope::database, "check the search_path of the detector's role"},
    {"42501", Scope::database, "grant the detector's role the privilege that is missing"},
    {"42P01", Scope::database,
     "Connection must lead to the database of a Coder deployment; check dbname, and the search_path of the "
     "role"},
    {"42703", Scope::database, "this database has not the columns of a Coder deployment; check dbname"},
    {"42", Scope::database, schemaAdvice},
    {"53", Scope::database, "the server is short of memory, disk or connections"},
    {"54", Scope::database, "the server has reached a limit of its own; see its log"},
    {"55P03", Scope::database, "a table was locked for over five seconds, as by a migration; nothing to do"},
    {"57014", Scope::database, "raise RunTimeout, or find out what slows the database down"},
    {"57P", Scope::connection, "the server is shutting down or starting; nothing to do if that was intended"},
    {"58", Scope::database, "the server has a problem with its disk; see its log"},
}};

struct ServerMessage
{
    std::string sqlState;
    std::string text;
};

bool isSqlState(std::string_view text)
{
    return text.size() == 5 && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
           });
}

ServerMessage parseVerboseMessage(const std::string& text)
/// Reads "ERROR:  42P01: relation ...": severity (in the server's language),
/// SQLSTATE, text, and more lines that may quote rows and are left out. Both
/// members are empty when the text holds no such message.
{
    constexpr std::string_view separator = ":  ";
    for (auto at = text.find(separator); at != std::string::npos; at = text.find(separator, at + 1)) {
        const auto state = at + separator.size();
        if (text.size() < state + 7 || text.compare(state + 5, 2, ": ") != 0)
            continue;
        if (!isSqlState(std::string_view(text).substr(state, 5)))
            continue;
        const auto cause = state + 7;
        return {text.substr(state, 5), text.substr(cause, text.find('\n', cause) - cause)};
    }
    return {};
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

} // namespace

DatabaseError::DatabaseError(Scope scope, const std::string& cause, std::string sqlState, std::string advice)
    : std::runtime_error(cause), _scope(scope), _sqlState(std::move(sqlState)), _advice(std::move(advice))
{}

DatabaseError DatabaseError::fromStatement(const Poco::Exception& exception, bool connectionLost)
{
    const ServerMessage message = parseVerboseMessage(exception.message());
    for (const KnownState& known : knownStates) {
        if (message.sqlState.starts_with(known.prefix)) {
            return {connectionLost ? Scope::connection : known.scope, message.text, message.sqlState,
                    known.advice};
        }
    }
    if (connectionLost) {
        return {Scope::connection,
                message.sqlState.empty() ? "the connection to the database was lost" : message.text,
                message.sqlState, "see the log of the database server"};
    }
    // Without a SQLSTATE the text is Poco's, which may quote the connection string.
    if (message.sqlState.empty())
        return {Scope::database, std::string("the database client failed: ") + exception.name(), "", ""};
    return {Scope::job, message.text, message.sqlState, ""};
}

DatabaseError DatabaseError::fromConnecting(pg_conn* connection)
{
    std::string cause = oneLine(PQerrorMessage(connection));
    // libpq tells no SQLSTATE here. In another language than English the advice is the general one.
    const bool isStandby = cause.find("read-only") != std::string::npos ||
                           cause.find("hot standby") != std::string::npos ||
                           cause.find("in recovery") != std::string::npos;
    return {Scope::connection, cause, "",
            isStandby ? standbyAdvice
                      : "check Connection in hang_detector.conf, the database server, and its pg_hba.conf"};
}

} // namespace HangDetection
