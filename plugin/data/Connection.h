#pragma once

#include "ConnectionString.h"
#include "Job.h"
#include "libpq/SessionImpl.h"

#include <Poco/AutoPtr.h>
#include <Poco/Data/Session.h>

#include <chrono>
#include <string>
#include <utility>

namespace HangDetection {

void prepareDatabaseLibraries();
/// Call it before the first connection, and before the caller registers an atexit handler of its own. It
/// makes OpenSSL register its exit handler now. Exit handlers run in reverse order. So the caller's handler
/// can stop a thread that still uses the database, before OpenSSL is shut down. Further calls do nothing.

class Connection
/// The one connection to the job database. It is made when it is needed, stays open from run to run, and is
/// made again when it is lost or a run has failed. Used by one thread.
{
public:
    Connection(ConnectionString connectionString, std::chrono::milliseconds statementTimeout,
               std::chrono::hours planAge = std::chrono::hours(1));
    /// Does not connect yet. The server makes new plans for the statements when its plans are older than
    /// planAge. A plan for small tables does not fit large ones, and without autovacuum nothing else makes
    /// the server plan again.

    ~Connection();
    /// Must run in the thread that used the connection. It also frees OpenSSL's data of that thread, because
    /// the process may exit before the thread ends.

    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void open(const Libpq::WaitLimit& limit);
    /// Connects, unless a working connection is open. The limit holds for every wait of the connection until
    /// the next open(). Throws DatabaseError, or RunStopped when the limit's stop is requested meanwhile.

    Poco::Data::Session session() { return {_session}; }
    /// The session of the open connection, in autocommit mode.

    std::string withoutPasswords(std::string text) const
    {
        return _session->withoutPasswords(std::move(text));
    }
    /// For a text from the database that is shown.

    DatabaseFacts facts() const;
    /// Of the open connection.

    bool isLost() const { return !_session->isConnected(); }
    /// True when the open connection is known to be broken.

    int sessions() const { return _sessions; }
    /// The number of sessions that were made, including the open one.

    bool canSearchByStatus() const { return _canSearchByStatus; }
    /// Whether the table of jobs has an index on job_status, and the role may read that column. Checked when
    /// the connection is made.

    bool canReadDaemons() const { return _canReadDaemons; }
    bool canReadLastSeen() const { return _canReadLastSeen; }
    /// Whether the role may read which daemon took a job, and when that daemon was seen last. Checked when
    /// the connection is made.

    void forgetStatus() { _canSearchByStatus = false; }
    /// The column or the right is gone, for the rest of the connection.

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
    bool _canSearchByStatus = false;
    bool _canReadDaemons = false;
    bool _canReadLastSeen = false;
    std::string _schema;
};

} // namespace HangDetection
