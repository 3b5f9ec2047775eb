#include "Connection.h"

#include "ConnectionAttempts.h"
#include "DatabaseError.h"
#include "Duration.h"
#include "Statements.h"

#include <Poco/Data/PostgreSQL/Connector.h>
#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <poll.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace HangDetection {

namespace {

using Clock = StatementWatch::Clock;
using Scope = DatabaseError::Scope;

/// How soon a wait for the network sees that it is to stop.
constexpr std::chrono::milliseconds stopCheck{50};

using Handle = std::unique_ptr<PGconn, decltype(&PQfinish)>;

void ignoreNotice(void*, const char*)
{
    // A RAISE NOTICE of a trigger would end up on slurmctld's stderr otherwise, and so would the
    // farewell of a server that ends a session before its first statement.
}

bool isReadable(int socket, std::chrono::milliseconds wait)
{
    pollfd request{socket, POLLIN, 0};
    return poll(&request, 1, static_cast<int>(wait.count())) > 0;
}

DatabaseError noAnswer(PGconn* connection, std::chrono::seconds waited)
/// In the words of libpq for an error of one address.
{
    const std::string host = PQhost(connection);
    const std::string address = PQhostaddr(connection);
    return DatabaseError::unreachable("connection to server at \"" + host + '"' +
                                      (address.empty() || address == host ? "" : " (" + address + ')') +
                                      ", port " + PQport(connection) + " failed: no answer within " +
                                      formatDuration(waited));
}

Handle connect(const std::string& secretText, std::chrono::seconds atMost, const std::stop_token& stop,
               Clock::time_point deadline)
{
    Handle connection(PQconnectStart(secretText.c_str()), &PQfinish);
    if (!connection)
        throw DatabaseError(Scope::connection, "out of memory while connecting", "", "");
    PQsetErrorVerbosity(connection.get(), PQERRORS_VERBOSE); // with the SQLSTATE, which nobody else tells
    PQsetNoticeProcessor(connection.get(), &ignoreNotice, nullptr);

    deadline = std::min(deadline, Clock::now() + atMost);
    auto direction = PGRES_POLLING_WRITING;
    if (PQstatus(connection.get()) == CONNECTION_BAD)
        direction = PGRES_POLLING_FAILED;
    while (direction != PGRES_POLLING_OK) {
        if (direction == PGRES_POLLING_FAILED)
            throw DatabaseError::fromConnecting(PQerrorMessage(connection.get()));
        pollfd request{PQsocket(connection.get()),
                       static_cast<short>(direction == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
        do {
            if (stop.stop_requested())
                throw RunStopped();
            if (Clock::now() >= deadline)
                throw noAnswer(connection.get(), atMost);
        } while (poll(&request, 1, static_cast<int>(stopCheck.count())) == 0);
        direction = PQconnectPoll(connection.get());
    }
    return connection;
}

DatabaseError noHostWillDo(const std::vector<DatabaseError>& errors)
/// One error of all hosts. The advice is that of a server that answered and is up, if there is one.
{
    std::string causes;
    for (const DatabaseError& error : errors)
        causes += (causes.empty() ? "" : "; ") + std::string(error.what());
    const auto answer = std::ranges::find_if(errors, [](const auto& error) {
        return !error.sqlState().empty() && !error.sqlState().starts_with("57P");
    });
    if (answer != errors.end())
        return {Scope::connection, causes, answer->sqlState(), answer->advice()};
    const DatabaseError& first = errors.front();
    const bool areAlike =
        std::ranges::all_of(errors, [&](const auto& error) { return error.advice() == first.advice(); });
    return areAlike ? DatabaseError(Scope::connection, causes, first.sqlState(), first.advice())
                    : DatabaseError::unreachable(causes);
}

Handle connectToFirst(const ConnectionString& connectionString, const std::stop_token& stop,
                      Clock::time_point deadline)
/// To the first address that will do.
{
    ConnectionAttempts attempts(connectionString.secretText());
    std::vector<DatabaseError> errors;
    while (const auto secretText = attempts.next()) {
        try {
            return connect(*secretText, attempts.timeout(), stop, deadline);
        } catch (const DatabaseError& error) {
            errors.push_back(error);
        }
        if (stop.stop_requested())
            throw RunStopped();
        if (Clock::now() >= deadline)
            break;
    }
    throw noHostWillDo(errors);
}

} // namespace

void prepareDatabaseLibraries()
{
    OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CRYPTO_STRINGS, nullptr);
    Poco::Data::PostgreSQL::Connector::registerConnector();
}

Connection::Connection(ConnectionString connectionString, std::chrono::milliseconds statementTimeout)
    : _connectionString(std::move(connectionString)), _statementTimeout(statementTimeout)
{}

Connection::~Connection()
{
    drop();
    OPENSSL_thread_stop();
}

std::unique_ptr<StatementWatch> Connection::open(const std::stop_token& stop, Clock::time_point deadline)
{
    const auto watch = [&] {
        return std::make_unique<StatementWatch>(handle(), stop, deadline, _wasInterfered);
    };
    if (isUsable())
        return watch();
    drop();
    Handle connection = connectToFirst(_connectionString, stop, deadline);
    if (!_shell)
        _shell = std::make_unique<SessionShell>();
    _shell->hold(connection.release());
    ++_sessions;
    try {
        auto watching = watch();
        prepareSession();
        return watching;
    } catch (...) {
        drop();
        throw;
    }
}

Poco::Data::Session& Connection::session()
{
    return _shell->session();
}

std::string Connection::execution(const Statement& statement,
                                  const std::vector<PreparedStatements::Argument>& arguments)
{
    return _prepared.execution(handle(), statement, arguments, Clock::now());
}

PGconn* Connection::handle()
{
    return _shell ? _shell->connection() : nullptr;
}

bool Connection::isLost()
{
    return PQstatus(handle()) != CONNECTION_OK;
}

void Connection::drop() noexcept
{
    _wasInterfered = false;
    _prepared.forget();
    if (_shell)
        _shell->hold(nullptr);
}

bool Connection::isUsable()
{
    // A server that restarted since the last run has left a farewell, and then the end, in the socket.
    PGconn* const connection = handle();
    while (!_wasInterfered && !isLost() && isReadable(PQsocket(connection), {})) {
        if (PQconsumeInput(connection) != 1)
            return false;
    }
    return !_wasInterfered && !isLost();
}

void Connection::prepareSession()
{
    try {
        std::string statementTimeout = std::to_string(_statementTimeout.count());
        session() << Statements::prepare_session.text, Poco::Data::Keywords::into(_canReadNames),
            Poco::Data::Keywords::use(statementTimeout), Poco::Data::Keywords::now;
    } catch (const Poco::Exception& exception) {
        throw DatabaseError::fromStatement(exception, isLost());
    }
}

} // namespace HangDetection
