#include "DatabaseError.h"

#include "Duration.h"
#include "libpq/Errors.h"
#include "notification/LogLine.h"

#include <Poco/Exception.h>
#include <Poco/String.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>
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

/// For a refusal: the server was reached.
constexpr const char* refusedAdvice =
    "see the log of the server, or of the pooler, and Connection in hang_detector.conf";

constexpr const char* clientAdvice = "report it if it goes on: it may be a defect of the hang detector";

constexpr const char* shortageAdvice =
    "slurmctld is short of memory or of file descriptors; see its limits (LimitNOFILE), and what else takes "
    "memory on its machine";

constexpr const char* cancelledAdvice = "the statement took as long as RunTimeout, or another session "
                                        "cancelled it; raise RunTimeout, or find out "
                                        "what slows the database down";

constexpr const char* slowAdvice = "raise RunTimeout, or find out what slows the database down";

constexpr const char* answerAdvice = "find out what answers there, and what stands between it and slurmctld";

constexpr const char* forkAdvice = "the database server is short of memory or of processes; see its log";

struct KnownState
/// An error that every job of a run would get, by its SQLSTATE or the class of its SQLSTATE.
{
    std::string_view prefix;
    Scope scope;
    const char* advice;
};

constexpr const char* standbyAdvice =
    "the server is a standby or the session is read-only; let Connection name the primary, or all hosts";

constexpr const char* schemaAdvice =
    "see whether dbname of Connection is the database of a Coder deployment, whether this release of the "
    "hang detector supports it, on PostgreSQL 13 or later, and whether a trigger on its tables is wrong";

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
constexpr std::array<KnownState, 20> knownStates{{
    {"08P01", Scope::connection, answerAdvice},
    {"08", Scope::connection, unreachableAdvice},
    {"0A", Scope::database, schemaAdvice},
    {"25006", Scope::connection, standbyAdvice},
    {"26000", Scope::connection, poolerAdvice},
    {"3F000", Scope::database, "check the search_path of the detector's role"},
    {"42501", Scope::database, "run the hang detector's role.sql again; it grants what the role needs"},
    {"42P01", Scope::database,
     "a table or a view is not there; check dbname of Connection, the search_path of the role, and triggers "
     "on the tables"},
    {"42P05", Scope::connection, poolerAdvice},
    {"42703", Scope::database,
     "a column is not there; check dbname of Connection, the search_path of the role, and triggers on the "
     "tables"},
    {"42", Scope::database, schemaAdvice},
    {"53100", Scope::database, "free space on the disk of the database server"},
    {"53200", Scope::database, "the database server is out of memory or of locks; see its log"},
    {"53300", Scope::database, connectionsAdvice},
    {"53", Scope::database, "the database server has reached a limit; see its log"},
    {"54", Scope::database, "the server has reached one of its limits; see its log"},
    {"55P03", Scope::database,
     "a table stayed locked for longer than lock_timeout, as by a migration; nothing to do"},
    {"57014", Scope::database, cancelledAdvice},
    {"57P", Scope::connection, unreachableAdvice},
    {"58", Scope::database, "the server has a problem with its files or its disk; see its log"},
}};

struct KnownRefusal
/// A refusal of a connection by the server, by its SQLSTATE or the class of its SQLSTATE.
{
    std::string_view prefix;
    const char* advice;
};

constexpr const char* loginAdvice = "check user and password of Connection in hang_detector.conf, its "
                                    "passfile, and pg_hba.conf of the server";

constexpr const char* optionsAdvice =
    "check options of Connection in hang_detector.conf, and unset PGTZ, PGDATESTYLE and PGGEQO in the "
    "environment of slurmctld";

constexpr std::array<KnownRefusal, 9> knownRefusals{{
    {"22023", optionsAdvice},
    {"28P01", "correct the password in the passfile or in Connection, or make the role with role.sql if "
              "there is none; in a "
              "passfile, \\ stands before each : and \\ of a password"},
    {"28", loginAdvice},
    {"3D000", "check dbname of Connection in hang_detector.conf"},
    {"42501", "grant the detector's role the privilege to connect to the database"},
    {"42704", optionsAdvice},
    {"53300", connectionsAdvice},
    {"55000", "the database takes no connections; ALTER DATABASE ... ALLOW_CONNECTIONS true if that was not "
              "intended"},
    {"57P", unreachableAdvice},
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

constexpr const char* fileAdvice =
    "let Connection and the service file name files, not pipes, devices or folders";

constexpr const char* serviceAdvice =
    "correct the service file, or service of Connection in hang_detector.conf";

constexpr const char* certificateAdvice = "check sslrootcert, sslcert, sslkey and sslpassword of Connection "
                                          "in hang_detector.conf: SlurmUser has to "
                                          "be able to read the files, and nobody else the key";

/// Of errors that the database has no part in.
constexpr std::array advicesAboutThisMachine{shortageAdvice, fileAdvice, serviceAdvice, certificateAdvice};

constexpr const char* authenticationAdvice =
    "the server does not authenticate as require_auth or channel_binding of Connection demand";

constexpr const char* protocolAdvice =
    "check host and port of Connection in hang_detector.conf: what answers there is no PostgreSQL server";

constexpr const char* cleartextAdvice =
    "encrypt the connection (sslmode of Connection), or let pg_hba.conf of the server ask for scram-sha-256; "
    "CleartextPassword=yes in hang_detector.conf allows it";

/// The first match counts. A killed server ends a TLS connection with "SSL error: unexpected eof", so that
/// comes before "SSL error".
constexpr std::array<KnownVerdict, 26> knownVerdicts{{
    {"not a regular file", fileAdvice},
    {"unexpected eof", unreachableAdvice},
    {"password in clear text", cleartextAdvice},
    {"read-only", standbyAdvice},
    {"hot standby", standbyAdvice},
    {"in recovery", standbyAdvice},
    {"certificate file", certificateAdvice},
    {"private key file", certificateAdvice},
    {"certificate", tlsAdvice},
    {"SSL error", tlsAdvice},
    {"not support SSL", tlsAdvice},
    {"the passfile  does not exist",
     "put the password into a file that only SlurmUser can read, and name it in Connection, as "
     "passfile=/etc/slurm/hang_detector.pgpass"},
    {"the passfile  cannot be read",
     "let SlurmUser read the passfile: chown slurm:slurm and chmod 0600 on it"},
    {"is open to others", "let nobody but SlurmUser read the passfile: chmod 0600 on it"},
    {"has no line for", "add this line to the passfile, with :PASSWORD at its end"},
    {"no password supplied", loginAdvice},
    {"authentication method requirement", authenticationAdvice},
    {"channel binding", authenticationAdvice},
    {"connect_timeout is no", serviceAdvice},
    {"could not match", serviceAdvice},
    {"service file", serviceAdvice},
    {"definition of service", serviceAdvice},
    {"received invalid response", protocolAdvice},
    {"expected authentication request", protocolAdvice},
    {"not one of PostgreSQL", protocolAdvice},
    {"invalid", "check the options of Connection in hang_detector.conf, and its service file"},
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

std::string firstLine(const std::string& text)
/// Of those that are not empty.
{
    const std::string message = Poco::trim(text);
    return message.empty() ? "the server gives no reason" : message.substr(0, message.find('\n'));
}

bool isShortage(const std::string& text)
/// Whether libpq or the system says that this process lacks memory or file descriptors, in the language of
/// the process.
{
    const auto isSaid = [&](const std::string& words) { return text.find(words) != std::string::npos; };
    return isSaid("out of memory") ||
           std::ranges::any_of(std::array{EMFILE, ENFILE, ENOMEM, ENOBUFS},
                               [&](int error) { return isSaid(std::generic_category().message(error)); });
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
        return {text.substr(line, state - line), text.substr(state, 5), firstLine(text.substr(state + 7))};
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
        return {Scope::connection, cause, message.sqlState, refusedAdvice};
    }

    const std::string line = oneLine(text);
    const std::string cause = line.empty() ? "libpq gives no reason" : line;
    // A server that cannot start a process for the session says so with the words of its system.
    if (text.find("could not fork") != std::string::npos)
        return {Scope::connection, cause, "", forkAdvice};
    if (isShortage(text))
        return {Scope::connection, cause, "", shortageAdvice};
    const std::string words = withoutQuotedParts(text);
    for (const KnownVerdict& known : knownVerdicts) {
        if (words.find(known.part) != std::string::npos)
            return {Scope::connection, cause, "", known.advice};
    }
    return {Scope::connection, cause, "", unreachableAdvice};
}

} // namespace

DatabaseError::DatabaseError(Scope scope, const std::string& cause, std::string sqlState, std::string advice)
    : std::runtime_error(shortened(cause)),
      _scope(scope),
      _sqlState(std::move(sqlState)),
      _advice(std::move(advice))
{}

bool DatabaseError::cannotBeOfOneJob() const
{
    return _scope == Scope::connection || _sqlState.starts_with("53") || _sqlState == "57014";
}

bool DatabaseError::isOfThisMachine() const
{
    return std::ranges::find(advicesAboutThisMachine, _advice) != advicesAboutThisMachine.end();
}

bool DatabaseError::isObjectMissing() const
{
    return _scope == Scope::database && _sqlState.starts_with("42");
}

DatabaseError DatabaseError::afterRunTimeout(std::chrono::seconds runTimeout) const
{
    // A reason of the server, such as a missing privilege, is still the reason after the time is over.
    if (isOfThisMachine() || (!_sqlState.empty() && _sqlState != "57014"))
        return *this;
    // If even the cancel got no answer, the connection is at fault.
    return {_scope, "RunTimeout of " + formatDuration(runTimeout) + " has passed", _sqlState,
            _sqlState.empty() ? _advice : slowAdvice};
}

std::string DatabaseError::kind() const
{
    // A restart of the server gives several causes but one advice. So does a pooler that shares sessions
    // between clients. There the advice is the kind. For other errors the cause is the kind.
    const bool isAway = _sqlState.empty() || _sqlState.starts_with("57P");
    const bool isShared = _sqlState == "26000" || _sqlState == "42P05";
    const bool isAdviceTheNews = (isAway || isShared) && !_advice.empty();
    return isAdviceTheNews ? _advice : what();
}

DatabaseError DatabaseError::fromStatement(const Poco::Exception& exception, bool connectionLost)
{
    const auto* const refusal = dynamic_cast<const Libpq::ServerError*>(&exception);
    if (refusal == nullptr) {
        if (dynamic_cast<const Poco::Data::NotConnectedException*>(&exception) != nullptr)
            return {Scope::connection, "the connection to the database was lost", "", unreachableAdvice};
        // The name of the exception adds nothing, unless there is no text.
        const std::string words = exception.message().empty() ? exception.displayText() : exception.message();
        return {connectionLost ? Scope::connection : Scope::database,
                oneLine("the database client failed: " + words), "",
                isShortage(words) ? shortageAdvice : clientAdvice};
    }

    // A trigger's message may have more lines, which may quote rows. Only the first line is kept.
    const std::string& sqlState = refusal->fields().sqlState;
    const std::string cause = oneLine(firstLine(refusal->fields().message));
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

DatabaseError DatabaseError::fromAnswer(const std::string& nonsense)
{
    return {Scope::connection, "the server gave a wrong answer: " + nonsense, "08P01", answerAdvice};
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
