#pragma once

#include <Poco/Data/Session.h>

#include <memory>

struct pg_conn;

namespace HangDetection {

class SessionShell
/// A Poco::Data::Session for connections that are made and ended by libpq.
///
/// Poco makes a session only together with its connection, by a connect that can be
/// neither interrupted nor fail without a leak, and it ends a connection only as long as
/// that works (pocoproject/poco#4231). So the session is made with a connection to
/// nothing: to a socket of this process that greets it as a server does. From then on the
/// session holds what it is given.
///
/// Used by one thread.
{
public:
    SessionShell();
    /// Holds no connection. Throws std::system_error and Poco::Exception.

    ~SessionShell();

    SessionShell(const SessionShell&) = delete;
    SessionShell& operator=(const SessionShell&) = delete;

    Poco::Data::Session& session() { return _session; }

    pg_conn* connection() const noexcept { return _connection; }
    /// What it holds; null when that is nothing.

    void hold(pg_conn* connection) noexcept;
    /// Takes over an open connection, or null. Finishes the one that it held.

private:
    Poco::Data::Session _session;
    pg_conn*& _connection;
    /// Poco's own pointer to its connection.
};

} // namespace HangDetection
