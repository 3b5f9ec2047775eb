#pragma once

#include "DuplicateSocket.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>

struct pg_conn;
struct pg_cancel;

namespace HangDetection {

class StatementWatch
/// Ends the statements of one run when the run is asked to stop or its time is up,
/// whatever state the server is in.
///
/// A statement blocks the thread that runs it, so a second thread keeps the watch
/// for the time of the run: it asks the server to cancel, and when the run has not
/// ended a second later, it shuts the socket. That ends the wait of libpq even if
/// the server is frozen or the network dead. Whether a statement cut off like that
/// was committed is then unknown; it is complete or without effect in any case.
///
/// Owned and destroyed by the thread that owns the connection. It may outlive the
/// connection. Destruction does not wait for the server.
{
public:
    using Clock = std::chrono::steady_clock;

    StatementWatch(pg_conn* connection, std::stop_token stop, Clock::time_point deadline,
                   std::atomic<bool>& hasInterfered);
    /// Sets hasInterfered when it asks for a cancel. Such a request may arrive late, so
    /// the connection must not be used for another run. Throws std::system_error when no thread or descriptor
    /// can be had.

    ~StatementWatch();

    StatementWatch(const StatementWatch&) = delete;
    StatementWatch& operator=(const StatementWatch&) = delete;

private:
    void keepWatch(const std::stop_token& stop, Clock::time_point deadline);

    const std::shared_ptr<pg_cancel> _cancel;
    const DuplicateSocket _socket;
    std::atomic<bool>& _hasInterfered;
    std::mutex _mutex;
    std::condition_variable_any _wakeUp;
    bool _runEnded = false;
    std::thread _thread;
};

} // namespace HangDetection
