#include "Connection.h"

#include "DatabaseError.h"
#include "DuplicateSocket.h"
#include "Statements.h"

#include <Poco/Data/PostgreSQL/Connector.h>
#include <Poco/Data/PostgreSQL/SessionHandle.h>
#include <Poco/Data/PostgreSQL/Utility.h>
#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace HangDetection {

namespace {

using Clock = StatementWatch::Clock;
using Scope = DatabaseError::Scope;

/// How soon a wait for the network sees that it is to stop.
constexpr std::chrono::milliseconds stopCheck{50};

/// Bound on finding a server that accepts a connection, over all hosts of the
/// connection string. libpq applies its connect_timeout only when it may block.
constexpr std::chrono::seconds connectTimeout{30};

/// How long a server may take to end a connection that was closed.
constexpr std::chrono::seconds farewellTimeout{1};

using Handle = std::unique_ptr<PGconn, decltype(&PQfinish)>;

void ignoreNotice(void*, const char*)
{
    // A RAISE NOTICE of a trigger would end up on slurmctld's stderr otherwise.
}

bool isReadable(int socket, std::chrono::milliseconds wait)
{
    pollfd request{socket, POLLIN, 0};
    return poll(&request, 1, static_cast<int>(wait.count())) > 0;
}

Handle connect(const ConnectionString& connectionString, const std::stop_token& stop,
               Clock::time_point deadline)
{
    Handle connection(PQconnectStart(connectionString.secretText().c_str()), &PQfinish);
    if (!connection)
        throw DatabaseError(Scope::connection, "out of memory while connecting", "", "");

    deadline = std::min(deadline, Clock::now() + connectTimeout);
    auto direction = PGRES_POLLING_WRITING;
    if (PQstatus(connection.get()) == CONNECTION_BAD)
        direction = PGRES_POLLING_FAILED;
    while (direction != PGRES_POLLING_OK) {
        if (direction == PGRES_POLLING_FAILED)
            throw DatabaseError::fromConnecting(connection.get());
        pollfd request{PQsocket(connection.get()),
                       static_cast<short>(direction == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
        while (poll(&request, 1, static_cast<int>(stopCheck.count())) == 0) {
            if (stop.stop_requested())
                throw RunStopped();
            if (Clock::now() >= deadline)
                throw DatabaseError(Scope::connection, "the server did not answer in time", "",
                                    "check the network to the database, and that the server is alive");
        }
        direction = PQconnectPoll(connection.get());
    }
    return connection;
}

void end(Handle connection, const std::stop_token& stop, Clock::time_point deadline)
/// Closes the connection, and waits until the server has done so, too. Its process keeps
/// the socket open until it exits, so its place among the role's connections is free
/// then, and not before.
{
    const DuplicateSocket socket(PQsocket(connection.get()));
    connection.reset();
    deadline = std::min(deadline, Clock::now() + farewellTimeout);
    std::array<char, 256> rest{};
    while (Clock::now() < deadline) {
        if (stop.stop_requested())
            throw RunStopped();
        if (isReadable(socket.descriptor(), stopCheck) &&
            recv(socket.descriptor(), rest.data(), rest.size(), MSG_DONTWAIT) <= 0)
            return;
    }
}

PGconn*& connectionOf(Poco::Data::PostgreSQL::SessionHandle& handle);

template <auto Member>
struct OpenedUp
/// Poco's disconnect() finishes a connection only as long as it works, so each one that
/// broke would leak its PGconn (pocoproject/poco#4231, mended in 1.13), and no public member
/// gives it back or takes another one. An explicit instantiation may name a private member.
{
    friend PGconn*& connectionOf(Poco::Data::PostgreSQL::SessionHandle& handle) { return handle.*Member; }
};

template struct OpenedUp<&Poco::Data::PostgreSQL::SessionHandle::_pConnection>;

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
}

std::unique_ptr<StatementWatch> Connection::open(const std::stop_token& stop, Clock::time_point deadline)
{
    const auto watch = [&] {
        return std::make_unique<StatementWatch>(handle(), stop, deadline, _wasInterfered);
    };
    if (isUsable())
        return watch();
    drop();
    Handle connection = connect(_connectionString, stop, deadline);
    if (_handle != nullptr) {
        *_handle = connection.release();
    } else {
        // Poco's own connect can be neither stopped nor trusted to fail without a leak, so it
        // is used once, as a session has to begin with it, on a server that just accepted one.
        end(std::move(connection), stop, deadline);
        makeSession();
    }
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
    return _session.value();
}

PGconn* Connection::handle()
{
    return *_handle;
}

bool Connection::isLost()
{
    return PQstatus(handle()) != CONNECTION_OK;
}

void Connection::drop() noexcept
{
    _wasInterfered = false;
    if (_handle != nullptr)
        PQfinish(std::exchange(*_handle, nullptr));
}

bool Connection::isUsable()
{
    if (_handle == nullptr || _wasInterfered)
        return false;
    // A server that restarted since the last run has left a farewell, and then the end, in the socket.
    PGconn* const connection = handle();
    while (!isLost() && isReadable(PQsocket(connection), {})) {
        if (PQconsumeInput(connection) != 1)
            return false;
    }
    return !isLost();
}

void Connection::makeSession()
{
    try {
        _session.emplace(Poco::Data::PostgreSQL::Connector::KEY, _connectionString.secretText());
        _handle = &connectionOf(*Poco::Data::PostgreSQL::Utility::handle(*_session));
    } catch (const Poco::Exception&) {
        // Its text quotes the connection string.
        throw DatabaseError(Scope::connection, "the server accepted one connection, but not the next", "",
                            "check that the server is alive, max_connections, and the connection limits of "
                            "the role and the database");
    }
}

void Connection::prepareSession()
{
    PQsetNoticeProcessor(handle(), &ignoreNotice, nullptr);
    PQsetErrorVerbosity(handle(), PQERRORS_VERBOSE); // the SQLSTATE, which Poco 1.11 does not tell
    try {
        std::string statementTimeout = std::to_string(_statementTimeout.count());
        *_session << Statements::prepare_session, Poco::Data::Keywords::use(statementTimeout),
            Poco::Data::Keywords::now;
    } catch (const Poco::Exception& exception) {
        throw DatabaseError::fromStatement(exception, isLost());
    }
}

} // namespace HangDetection
