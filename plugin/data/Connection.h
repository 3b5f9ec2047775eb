#pragma once

#include "ConnectionString.h"
#include "libpq/SessionImpl.h"

#include <Poco/AutoPtr.h>
#include <Poco/Data/Session.h>

#include <chrono>

namespace HangDetection {

void prepareDatabaseLibraries();
/// Has to be called once before the first connection, and before the caller
/// registers an atexit handler of its own: makes OpenSSL register its exit handler
/// now. Handlers run in reverse order, so a thread that still uses the database when
/// exit() is called can be stopped before OpenSSL is taken down under it. May be called
/// again.

class Connection
/// The one connection to the job database: made when it is needed, kept from run
/// to run, made anew when it broke. Used by one thread.
{
public:
    Connection(ConnectionString connectionString, std::chrono::milliseconds statementTimeout,
               std::chrono::hours planAge = std::chrono::hours(1));
    /// A plan of the server's gets so old at most. A plan that was made for small tables does not fit large
    /// ones, and where autovacuum is off nothing else makes the server plan again.

    ~Connection();
    /// In the thread that used it. Also frees what OpenSSL keeps for that thread, as the process may exit
    /// before the thread has ended.

    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void open(const Libpq::WaitLimit& limit);
    /// Makes the connection if there is none that works. The limit is that of its waits until the next
    /// open(). Throws DatabaseError; RunStopped when it is stopped meanwhile.

    Poco::Data::Session session() { return {_session}; }
    /// Of the open connection, in autocommit mode.

    bool isLost() const { return !_session->isConnected(); }
    /// True when the open connection is known to be broken.

    int sessions() const { return _sessions; }
    /// How many were made, with the one that is open.

    bool canReadStatus() const { return _canReadStatus; }
    /// Whether the jobs have the column job_status, and the role could read it when the connection was made.

    void drop() { _session->close(); }
    /// Closes the connection, if there is one; the next open() makes a new one.

private:
    using Clock = Libpq::WaitLimit::Clock;

    void prepareSession();

    const ConnectionString _connectionString;
    const std::chrono::milliseconds _statementTimeout;
    const std::chrono::hours _planAge;
    Poco::AutoPtr<Libpq::SessionImpl> _session;
    int _sessions = 0;
    Clock::time_point _plannedSince;
    bool _canReadStatus = false;
};

} // namespace HangDetection
