#pragma once

#include "WaitLimit.h"

#include <Poco/Data/AbstractSessionImpl.h>
#include <libpq-fe.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace Libpq {

/// The parameters of a statement, in its order, as text. std::nullopt is NULL.
using Parameters = std::vector<std::optional<std::string>>;

using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

class SessionImpl : public Poco::Data::AbstractSessionImpl<SessionImpl>
/// A Poco::Data session over one libpq connection. Every wait ends when its limit is reached: a connect is
/// given up, and a statement is cancelled on the server. If the server does not answer the cancel within
/// cancelGrace, the connection is closed. It is unknown then whether the statement was committed.
///
/// A statement has $1, $2 ... for its parameters. It is prepared at its first execution on a connection;
/// after that each execution takes one round trip. It stays prepared until the connection ends, so a caller
/// that executes DISCARD ALL has to close the session. Used by one thread. What is not supported throws
/// Poco::NotImplementedException.
{
public:
    SessionImpl();
    /// Not connected yet. The base class gets no connection string, because its exceptions would quote it
    /// with the password.

    ~SessionImpl() override;

    void setLimit(WaitLimit limit) { _limit = std::move(limit); }
    /// Counts for all waits from now on.

    void allowCleartextPassword(bool isAllowed) { _isCleartextAllowed = isAllowed; }
    /// Whether a password may be sent in clear text over a TCP connection without encryption. Not allowed at
    /// first: a server that asks for it so is refused.

    void open(const std::string& secretText) override;
    /// Connects to the first address that accepts. Each address gets connect_timeout. The text has keywords
    /// and values; a URI is not supported. Throws ConnectionRefused. One wait has no limit: the resolver,
    /// which looks up a host name, cannot be interrupted.

    void close() override;
    /// Does not wait for the server.

    bool isConnected() const override;

    bool isGood() const override;
    /// Also false when the server has closed the connection meanwhile, or a cancel may still be on its way.
    /// Throws ServerError when more than idleLimit has come since the last answer: close it then.

    std::string server() const;
    /// The host, or the directory of its socket, and the port of the open connection.

    std::string tlsVersion() const;
    /// Of the open connection, such as TLSv1.3. Empty without TLS.

    std::string withoutPasswords(std::string text) const;
    /// The text with *** in place of each password that this session has given to libpq, also one from a
    /// passfile or a service file. A server may repeat a password in any text. Errors are without already.

    Result execute(const std::string& statement, const Parameters& parameters);
    /// Throws ServerError when the server refuses the statement; also with SQLSTATE 57014 when the limit is
    /// reached before the statement is sent. Throws Poco::Data::NotConnectedException when the connection is
    /// lost, and Poco::Data::ExecutionException when libpq gives up. After these two, and after a ServerError
    /// with which the connection is lost, it is unknown whether the statement was committed.

    /// How long the server may take to answer a cancel.
    static constexpr std::chrono::seconds cancelGrace{1};

    /// How many bytes may come as one answer, which closes the connection when there are more, and how many
    /// between two answers. ServerError has the SQLSTATE 08P01 then. On a unix socket, bytes that come during
    /// a read may not be counted. In memory, an answer of many NULLs takes several times its bytes.
    static constexpr std::size_t answerLimit = std::size_t{16} << 20;
    static constexpr std::size_t idleLimit = std::size_t{1} << 20;

    Poco::SharedPtr<Poco::Data::StatementImpl> createStatementImpl() override;
    void begin() override;
    void commit() override;
    /// Throws Poco::Data::ExecutionException when the transaction had failed and was rolled back.
    void rollback() override;
    bool canTransact() const override { return true; }
    bool isTransaction() const override;
    const std::string& connectorName() const override;

    void setConnectionTimeout(std::size_t timeout) override;
    std::size_t getConnectionTimeout() const override;
    void reset() override;
    void setTransactionIsolation(Poco::UInt32 isolation) override;
    Poco::UInt32 getTransactionIsolation() const override;
    bool hasTransactionIsolation(Poco::UInt32 isolation) const override;
    bool isTransactionIsolation(Poco::UInt32 isolation) const override;

private:
    using Clock = WaitLimit::Clock;

    std::optional<std::string> connect(const std::string& secretText, std::chrono::seconds atMost);
    void learnPasswords();
    std::string connectError() const;
    std::string lastError() const;
    std::string fieldOf(const PGresult* result, int code) const;
    const char* prepared(const std::string& statement);
    void requireTime() const;
    Result resultOf(bool wasSent);
    void awaitAnswer();
    bool consumeInput() const;
    std::optional<std::size_t> bytesOfSocket() const;
    void countFromNow();
    std::size_t received() const;
    void cancel();

    std::unique_ptr<PGconn, decltype(&PQfinish)> _connection{nullptr, &PQfinish};
    WaitLimit _limit;
    bool _isCleartextAllowed = false;
    std::set<std::string, std::greater<>> _passwords;
    /// Kept after close(), because a server may repeat an old one. A longer one comes before its beginning.
    mutable std::size_t _read = 0;
    /// What waited before each read. A unix socket does not count its bytes.
    std::size_t _countedFrom = 0;
    std::unordered_map<std::string, std::string> _names;
    /// The names of the prepared statements, by their text.
    int _prepared = 0;
    /// How many were tried. Each try has a new name, as one whose answer was lost may have taken its name.
    const std::shared_ptr<std::atomic<bool>> _isCancelling = std::make_shared<std::atomic<bool>>(false);
    /// Shared with the thread that cancels, which may outlive the session.
    std::optional<Clock::time_point> _cancelled;
    /// When the server was asked to cancel a statement.
};

} // namespace Libpq
