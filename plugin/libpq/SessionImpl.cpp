#include "SessionImpl.h"

#include "Addresses.h"
#include "AllSignalsBlocked.h"
#include "Errors.h"
#include "Passfile.h"
#include "PasswordGuard.h"
#include "StatementImpl.h"

#include <Poco/Exception.h>
#include <Poco/String.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <exception>
#include <new>
#include <string_view>
#include <thread>
#include <utility>

namespace Libpq {

namespace {

/// How often a wait checks its limit.
constexpr std::chrono::milliseconds stopCheck{50};

void ignoreNotice(void*, const char*)
{
    // libpq writes notices to stderr by default.
}

bool isReady(int socket, short events, std::chrono::milliseconds wait)
{
    pollfd request{socket, events, 0};
    return poll(&request, 1, static_cast<int>(wait.count())) > 0;
}

bool waitUntilReady(int socket, short events, const WaitLimit& limit)
/// False when the limit is reached first.
{
    do {
        if (limit.isReached())
            return false;
    } while (!isReady(socket, events, stopCheck));
    return true;
}

std::string tooMuch(std::size_t limit)
{
    return "the server sent more than " + std::to_string(limit >> 20) + " MiB";
}

std::string failure(PGconn* connection, const std::string& why)
/// Worded as libpq words the error of one address.
{
    const std::string host = PQhost(connection);
    const std::string address = PQhostaddr(connection);
    return "connection to server at \"" + host + '"' +
           (address.empty() || address == host ? "" : " (" + address + ')') + ", port " + PQport(connection) +
           " failed: " + why;
}

bool isCopy(const PGresult* result)
/// PQgetResult returns such a result again and again.
{
    const auto status = PQresultStatus(result);
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

bool isError(const PGresult* result)
{
    return result != nullptr && PQresultStatus(result) == PGRES_FATAL_ERROR;
}

[[noreturn]] void notSupported(const char* what)
{
    throw Poco::NotImplementedException(what);
}

} // namespace

SessionImpl::SessionImpl() : AbstractSessionImpl("") {}

SessionImpl::~SessionImpl() = default;

void SessionImpl::open(const std::string& secretText)
{
    if (secretText.empty())
        notSupported("to connect again; a connection string is not kept");
    close();
    Addresses addresses(secretText);
    std::vector<std::string> causes;
    while (const auto address = addresses.next()) {
        const auto cause = connect(*address, addresses.timeout());
        if (!cause)
            return;
        close();
        causes.push_back(*cause);
        if (_limit.isReached())
            break;
    }
    throw ConnectionRefused(std::move(causes));
}

std::optional<std::string> SessionImpl::connect(const std::string& secretText, std::chrono::seconds atMost)
/// Connects to one address. Returns the error; nothing when it is connected.
{
    _connection.reset(PQconnectStart(secretText.c_str()));
    PGconn* const connection = _connection.get();
    if (connection == nullptr)
        throw std::bad_alloc();
    PQsetErrorVerbosity(connection, PQERRORS_VERBOSE); // has the SQLSTATE, for which there is no field
    PQsetNoticeProcessor(connection, &ignoreNotice, nullptr);
    learnPasswords();

    PasswordGuard guard(connection);
    const WaitLimit limit = _limit.within(atMost);
    countFromNow();
    auto direction = PQstatus(connection) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    while (direction != PGRES_POLLING_OK) {
        if (direction == PGRES_POLLING_FAILED)
            return guard.refusal() ? failure(connection, *guard.refusal()) : connectError();
        const short events = direction == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (!waitUntilReady(PQsocket(connection), events, limit))
            return failure(connection, "no answer within " + std::to_string(atMost.count()) + 's');
        direction = _isCleartextAllowed ? PQconnectPoll(connection) : guard.poll();
        if (received() > idleLimit)
            return failure(connection, tooMuch(idleLimit) + " before a session began");
    }
    if (PQsetnonblocking(connection, 1) != 0)
        return lastError();
    return std::nullopt;
}

void SessionImpl::learnPasswords()
{
    _passwords.insert(PQpass(_connection.get()));
    const ConnectionOptions options(PQconninfo(_connection.get()), &PQconninfoFree);
    if (options)
        _passwords.insert(valueOf(options, "sslpassword").value_or(""));
    _passwords.erase("");
}

std::string SessionImpl::server() const
{
    return std::string(PQhost(_connection.get())) + ':' + PQport(_connection.get());
}

std::string SessionImpl::tlsVersion() const
{
    const char* const version = PQsslAttribute(_connection.get(), "protocol");
    return version == nullptr ? "" : version;
}

std::string SessionImpl::withoutPasswords(std::string text) const
{
    for (const std::string& password : _passwords)
        Poco::replaceInPlace(text, password, std::string("***"));
    return text;
}

std::string SessionImpl::connectError() const
{
    const std::string fault = passfileFault(_connection.get());
    return fault.empty() ? lastError() : Poco::trimRight(lastError()) + "; " + fault;
}

std::string SessionImpl::lastError() const
{
    return withoutPasswords(PQerrorMessage(_connection.get()));
}

std::string SessionImpl::fieldOf(const PGresult* result, int code) const
{
    const char* const text = PQresultErrorField(result, code);
    return text == nullptr ? "" : withoutPasswords(text);
}

void SessionImpl::close()
{
    _connection.reset();
    _names.clear();
    _prepared = 0;
    _cancelled.reset();
}

bool SessionImpl::isConnected() const
{
    return PQstatus(_connection.get()) == CONNECTION_OK;
}

bool SessionImpl::isGood() const
{
    // A server that was restarted has left an error and the end of the connection in the socket.
    PGconn* const connection = _connection.get();
    while (isConnected() && !_limit.isReached() && isReady(PQsocket(connection), POLLIN, {})) {
        if (!consumeInput())
            return false;
        // libpq keeps what it reads until it is asked for its meaning, and notifications until they are
        // taken.
        PQisBusy(connection);
        while (PGnotify* const notification = PQnotifies(connection))
            PQfreemem(notification);
        if (received() > idleLimit)
            throw ServerError({.message = tooMuch(idleLimit) + " unasked", .sqlState = "08P01"});
    }
    return isConnected() && !_cancelled;
}

Result SessionImpl::execute(const std::string& statement, const Parameters& parameters)
{
    std::vector<const char*> values;
    for (const auto& parameter : parameters)
        values.push_back(parameter ? parameter->c_str() : nullptr);
    const char* const name = prepared(statement);
    requireTime();
    return resultOf(PQsendQueryPrepared(_connection.get(), name, static_cast<int>(values.size()),
                                        values.data(), nullptr, nullptr, 0) == 1);
}

const char* SessionImpl::prepared(const std::string& statement)
/// Returns the name of the prepared statement.
{
    const auto known = _names.find(statement);
    if (known != _names.end())
        return known->second.c_str();
    const std::string name = "statement_" + std::to_string(++_prepared);
    requireTime();
    resultOf(PQsendPrepare(_connection.get(), name.c_str(), statement.c_str(), 0, nullptr) == 1);
    return _names.emplace(statement, name).first->second.c_str();
}

void SessionImpl::requireTime() const
/// Called before each send. Nothing is sent after the limit, because a cancel could overtake it.
{
    if (!isConnected())
        throw Poco::Data::NotConnectedException();
    if (_cancelled || _limit.isReached())
        throw ServerError({.message = "canceled before it was sent", .sqlState = "57014"});
}

Result SessionImpl::resultOf(bool wasSent)
/// Returns the answer to what was sent: one result, unless something is wrong.
{
    PGconn* const connection = _connection.get();
    Result answer(nullptr, &PQclear);
    countFromNow();
    for (bool isOver = !wasSent; !isOver;) {
        awaitAnswer();
        Result next(PQgetResult(connection), &PQclear);
        isOver = !next || isCopy(next.get());
        // An error can follow the rows, when the commit fails. The first error is the server's; a second one
        // is libpq's and says that the connection ended.
        if (next && !isError(answer.get()))
            answer = std::move(next);
    }
    countFromNow();
    if (isCopy(answer.get())) {
        close();
        notSupported("COPY");
    }

    switch (PQresultStatus(answer.get())) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        return answer;
    default:
        break;
    }
    if (std::string sqlState = fieldOf(answer.get(), PG_DIAG_SQLSTATE); !sqlState.empty())
        throw ServerError({.message = fieldOf(answer.get(), PG_DIAG_MESSAGE_PRIMARY),
                           .sqlState = std::move(sqlState),
                           .detail = fieldOf(answer.get(), PG_DIAG_MESSAGE_DETAIL),
                           .constraint = fieldOf(answer.get(), PG_DIAG_CONSTRAINT_NAME),
                           .routine = fieldOf(answer.get(), PG_DIAG_SOURCE_FUNCTION)});
    // An error of libpq itself. The rest of the answer may still come, so the connection is closed.
    const bool wasConnected = isConnected();
    const std::string message = lastError();
    close();
    if (wasConnected)
        throw Poco::Data::ExecutionException(message);
    throw Poco::Data::NotConnectedException();
}

void SessionImpl::awaitAnswer()
/// Waits until libpq has a result, or knows that none will come. Sends what is not sent yet.
{
    PGconn* const connection = _connection.get();
    for (;;) {
        const int isUnsent = PQflush(connection);
        if (isUnsent == -1 || (isUnsent == 0 && PQisBusy(connection) == 0))
            return;
        const auto events = static_cast<short>(isUnsent == 1 ? POLLIN | POLLOUT : POLLIN);
        if (_cancelled && Clock::now() >= *_cancelled + cancelGrace) {
            close();
            throw Poco::Data::NotConnectedException();
        }
        if (!_cancelled && _limit.isReached())
            cancel();
        // Read even if the socket is not ready: poll() does not see what TLS has read already.
        isReady(PQsocket(connection), events, stopCheck);
        const bool isRead = consumeInput();
        if (received() > answerLimit) {
            close();
            throw ServerError({.message = tooMuch(answerLimit) + " as one answer", .sqlState = "08P01"});
        }
        if (isRead)
            continue;
        if (!isConnected())
            return; // PQgetResult has the error
        close();
        throw Poco::Data::NotConnectedException();
    }
}

bool SessionImpl::consumeInput() const
{
    int bytes = 0;
    if (ioctl(PQsocket(_connection.get()), FIONREAD, &bytes) == 0)
        _read += static_cast<std::size_t>(bytes);
    return PQconsumeInput(_connection.get()) == 1;
}

std::optional<std::size_t> SessionImpl::bytesOfSocket() const
{
    tcp_info info{};
    socklen_t size = sizeof info;
    if (getsockopt(PQsocket(_connection.get()), IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return std::nullopt;
    return info.tcpi_bytes_received;
}

void SessionImpl::countFromNow()
{
    _read = 0;
    _countedFrom = bytesOfSocket().value_or(0);
}

std::size_t SessionImpl::received() const
{
    // libpq may have made another socket.
    const auto bytes = bytesOfSocket();
    return bytes && *bytes >= _countedFrom ? *bytes - _countedFrom : _read;
}

void SessionImpl::cancel()
/// Asks the server to cancel the statement. PQcancel blocks while the server is frozen, so a thread of its
/// own calls it. There is one at a time: a server can hold each for ever. Without a cancel, the connection is
/// closed after cancelGrace, which is enough.
{
    _cancelled = Clock::now();
    if (_isCancelling->exchange(true))
        return;
    const AllSignalsBlocked blocked; // the thread inherits this
    try {
        const std::shared_ptr<PGcancel> request(PQgetCancel(_connection.get()), &PQfreeCancel);
        std::thread thread([request, isCancelling = _isCancelling] {
            std::array<char, 256> error{};
            PQcancel(request.get(), error.data(), error.size());
            *isCancelling = false;
        });
        pthread_setname_np(thread.native_handle(), "pq_cancel");
        thread.detach();
    } catch (const std::exception&) {
        // No thread could be started.
        *_isCancelling = false;
    }
}

Poco::SharedPtr<Poco::Data::StatementImpl> SessionImpl::createStatementImpl()
{
    return new StatementImpl(*this);
}

void SessionImpl::begin()
{
    execute("BEGIN", {});
}

void SessionImpl::commit()
{
    const Result result = execute("COMMIT", {});
    if (PQcmdStatus(result.get()) != std::string_view("COMMIT"))
        throw Poco::Data::ExecutionException("the transaction had failed, and was rolled back");
}

void SessionImpl::rollback()
{
    execute("ROLLBACK", {});
}

bool SessionImpl::isTransaction() const
{
    const auto status = PQtransactionStatus(_connection.get());
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

const std::string& SessionImpl::connectorName() const
{
    static const std::string name = "libpq";
    return name;
}

void SessionImpl::setConnectionTimeout(std::size_t)
{
    notSupported("a timeout of the connection; setLimit is one");
}

std::size_t SessionImpl::getConnectionTimeout() const
{
    notSupported("a timeout of the connection");
}

void SessionImpl::reset()
{
    notSupported("reset");
}

void SessionImpl::setTransactionIsolation(Poco::UInt32)
{
    notSupported("transaction isolation");
}

Poco::UInt32 SessionImpl::getTransactionIsolation() const
{
    notSupported("transaction isolation");
}

bool SessionImpl::hasTransactionIsolation(Poco::UInt32) const
{
    return false;
}

bool SessionImpl::isTransactionIsolation(Poco::UInt32) const
{
    notSupported("transaction isolation");
}

} // namespace Libpq
