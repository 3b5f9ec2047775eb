#pragma once

#include "ConnectionString.h"
#include "PreparedStatements.h"
#include "SessionShell.h"
#include "StatementWatch.h"

#include <Poco/Data/Session.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

struct pg_conn;

namespace HangDetection {

void prepareDatabaseLibraries();
/// Has to be called once before the first connection, and before the caller
/// registers an atexit handler of its own: registers Poco's PostgreSQL connector,
/// and makes OpenSSL register its exit handler now. Handlers run in reverse order,
/// so a thread that still uses the database when exit() is called can be stopped
/// before OpenSSL is taken down under it. May be called again.

class Connection
/// The one connection to the job database: made when it is needed, kept from run
/// to run, made anew when it broke. Used by one thread.
{
public:
    Connection(ConnectionString connectionString, std::chrono::milliseconds statementTimeout);

    ~Connection();
    /// In the thread that used it. What OpenSSL keeps for that thread goes, too: the process
    /// may exit before the thread is quite over.

    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    [[nodiscard]] std::unique_ptr<StatementWatch> open(const std::stop_token& stop,
                                                       StatementWatch::Clock::time_point deadline);
    /// Makes the connection if there is none that works, and watches its statements
    /// until the result is destroyed, which has to be before the next open(). Throws
    /// DatabaseError; RunStopped when it is stopped meanwhile.
    ///
    /// One wait ends neither with stop nor with the deadline: that for the resolver, which looks up
    /// a host name.

    Poco::Data::Session& session();
    /// The session of the open connection, in autocommit mode.

    std::string execution(const Statement& statement,
                          const std::vector<PreparedStatements::Argument>& arguments);
    /// What makes the session execute a statement that stays prepared (PreparedStatements).

    pg_conn* handle();
    /// libpq's handle of the open connection; null when there is none.

    bool isLost();
    /// True when the open connection is known to be broken.

    int sessions() const { return _sessions; }
    /// How many were made, with the one that is open.

    bool canReadNames() const { return _canReadNames; }
    /// Whether the tables with the names of workspaces, users and templates are there, and the role
    /// may read them.

    void forgetNames() { _canReadNames = false; }
    /// It may not any more, until the next connection.

    void drop() noexcept;
    /// Closes the connection, if there is one; the next open() makes a new one.

private:
    bool isUsable();
    void prepareSession();

    const ConnectionString _connectionString;
    const std::chrono::milliseconds _statementTimeout;
    std::unique_ptr<SessionShell> _shell;
    PreparedStatements _prepared;
    int _sessions = 0;
    bool _canReadNames = false;
    std::atomic<bool> _wasInterfered = false;
    /// A cancel was sent on the connection; it may still be on its way.
};

} // namespace HangDetection
