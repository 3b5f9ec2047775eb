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
constexpr std::chrono::seconds probeTimeout{30};

void ignoreNotice(void*, const char*)
{
    // A RAISE NOTICE of a trigger would end up on slurmctld's stderr otherwise.
}

/// How long a server may take to end a connection that was closed.
constexpr std::chrono::seconds farewellTimeout{1};

bool isReadable(int socket, std::chrono::milliseconds wait)
{
    pollfd request{socket, POLLIN, 0};
    return poll(&request, 1, static_cast<int>(wait.count())) > 0;
}

void awaitFarewell(const DuplicateSocket& socket, const std::stop_token& stop, Clock::time_point deadline)
/// Waits until the server has ended a connection that was finished. Its process keeps
/// the socket open until it exits, so its place among the role's connections is
/// free then, and not before.
{
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
/// Poco's disconnect() finishes a connection only as long as it works, so each one that broke
/// would leak its PGconn (pocoproject/poco#4231, mended in 1.13), and no public member
/// gives it back. An explicit instantiation may name a private one.
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
    if (_session && isUsable())
        return watch();
    drop();
    // Poco's own connect can be neither stopped nor trusted to fail without a
    // leak, so it is only tried on a server that accepts connections.
    probe(stop, deadline);
    connect();
    auto watching = watch();
    prepareSession();
    return watching;
}

Poco::Data::Session& Connection::session()
{
    return _session.value();
}

PGconn* Connection::handle()
{
    return *Poco::Data::PostgreSQL::Utility::handle(session());
}

bool Connection::isLost()
{
    return PQstatus(handle()) != CONNECTION_OK;
}

void Connection::drop() noexcept
{
    _wasInterfered = false;
    if (!_session)
        return;
    try {
        if (isLost())
            PQfinish(
                std::exchange(connectionOf(*Poco::Data::PostgreSQL::Utility::handle(*_session)), nullptr));
        _session.reset();
    } catch (...) { // NOLINT(bugprone-empty-catch): closing what is broken may fail; it is gone either way
    }
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

void Connection::probe(const std::stop_token& stop, Clock::time_point deadline) const
{
    std::unique_ptr<PGconn, decltype(&PQfinish)> connection(
        PQconnectStart(_connectionString.secretText().c_str()), &PQfinish);
    if (!connection)
        throw DatabaseError(Scope::connection, "out of memory while connecting", "", "");

    deadline = std::min(deadline, Clock::now() + probeTimeout);
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

    const DuplicateSocket socket(PQsocket(connection.get()));
    connection.reset();
    awaitFarewell(socket, stop, deadline);
}

void Connection::connect()
{
    try {
        _session.emplace(Poco::Data::PostgreSQL::Connector::KEY, _connectionString.secretText());
    } catch (const Poco::Exception&) {
        // Its text quotes the connection string.
        throw DatabaseError(Scope::connection, "the server accepted one connection, but not the next", "",
                            "check max_connections and the connection limits of the role and the database");
    }
    PQsetNoticeProcessor(handle(), &ignoreNotice, nullptr);
    PQsetErrorVerbosity(handle(), PQERRORS_VERBOSE); // the SQLSTATE, which Poco 1.11 does not tell
}

void Connection::prepareSession()
{
    try {
        std::string statementTimeout = std::to_string(_statementTimeout.count());
        *_session << Statements::prepare_session, Poco::Data::Keywords::use(statementTimeout),
            Poco::Data::Keywords::now;
    } catch (const Poco::Exception& exception) {
        const bool connectionLost = isLost();
        drop();
        throw DatabaseError::fromStatement(exception, connectionLost);
    }
}

} // namespace HangDetection
