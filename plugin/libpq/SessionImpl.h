#pragma once

#include "WaitLimit.h"

#include <Poco/Data/AbstractSessionImpl.h>
#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace Libpq {

/// Of a statement, in their order, as text that the server reads; std::nullopt is NULL.
using Parameters = std::vector<std::optional<std::string>>;

using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

class SessionImpl : public Poco::Data::AbstractSessionImpl<SessionImpl>
/// A session of Poco::Data over one connection of libpq's. Every wait ends when its limit is reached:
/// a connect is given up, and the server is asked to cancel a statement. If it does not answer that
/// within cancelGrace, the connection is closed. Whether such a statement was committed is unknown.
///
/// Each text of a statement is prepared once for a connection, with $1, $2 ... for its parameters, and
/// takes one round trip from then on. It stays prepared until the end of the connection, so whoever
/// executes DISCARD ALL has to close it. Used by one thread. What is not supported throws
/// Poco::NotImplementedException.
{
public:
    SessionImpl();
    /// Not connected yet. The base class is given no connection string, as it would quote it, with the
    /// password, in its exceptions.

    ~SessionImpl() override;

    void setLimit(WaitLimit limit) { _limit = std::move(limit); }
    /// Of the waits from now on.

    void open(const std::string& secretText) override;
    /// Connects to the first address that takes the connection. Each gets connect_timeout. The text has
    /// key words and values; a URI is not supported. Throws ConnectionRefused. One wait has no limit: that
    /// for the resolver, which looks up a host name.

    void close() override;
    /// Does not wait for the server.

    bool isConnected() const override;

    bool isGood() const override;
    /// False also when the server has closed the connection since, or a cancel may still be on its way.

    Result execute(const std::string& statement, const Parameters& parameters);
    /// Throws ServerError, with SQLSTATE 57014 also when the limit is reached before it was sent, and
    /// Poco::Data::NotConnectedException when the connection is lost, or Poco::Data::ExecutionException
    /// when libpq gives up. Whether the statement was committed is unknown after the last two.

    /// How long a server may take to answer a cancel.
    static constexpr std::chrono::seconds cancelGrace{1};

    Poco::SharedPtr<Poco::Data::StatementImpl> createStatementImpl() override;
    void begin() override;
    void commit() override;
    /// Throws Poco::Data::ExecutionException when the transaction had failed, and was rolled back.
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
    const char* prepared(const std::string& statement);
    void requireTime() const;
    Result resultOf(bool wasSent);
    void awaitAnswer();
    void cancel();

    std::unique_ptr<PGconn, decltype(&PQfinish)> _connection{nullptr, &PQfinish};
    WaitLimit _limit;
    std::unordered_map<std::string, std::string> _names;
    /// Of the prepared statements, by their text.
    int _prepared = 0;
    /// How many were tried, as a name whose answer is lost may be taken.
    std::optional<Clock::time_point> _cancelled;
    /// When the server was asked to cancel a statement.
};

} // namespace Libpq
