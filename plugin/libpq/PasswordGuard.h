#pragma once

#include <libpq-fe.h>

#include <optional>
#include <string>

namespace Libpq {

class PasswordGuard
/// Makes a connection, as PQconnectPoll does, but does not let libpq send a password in clear text over a TCP
/// connection without encryption. libpq sends it to any server that asks, and has an option against that
/// only from release 16 on (require_auth), which does not depend on the encryption.
///
/// So libpq gets the answers of such a server one by one, each after the guard has seen it: for each call of
/// PQconnectPoll, a socket of the guard takes the place of the connection. Otherwise libpq would also read
/// an answer that comes after the one that was checked.
{
public:
    explicit PasswordGuard(PGconn* connection) : _connection(connection) {}

    PostgresPollingStatusType poll();
    /// Call it as PQconnectPoll. It fails when the server asks for the password in clear text.

    const std::optional<std::string>& refusal() const { return _refusal; }
    /// Why the guard made poll() fail; nothing when libpq has the error.

private:
    bool isGuarded() const;
    PostgresPollingStatusType pollForEncryption();
    PostgresPollingStatusType pollForAnswer();
    std::size_t missing() const;
    PostgresPollingStatusType pollWith(const std::string& answer);
    PostgresPollingStatusType refuse(const std::string& why);

    PGconn* const _connection;
    std::string _answer;
    /// The part of the server's answer that has come so far.
    std::optional<std::string> _refusal;
};

} // namespace Libpq
