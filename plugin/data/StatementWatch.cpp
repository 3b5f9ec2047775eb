#include "StatementWatch.h"

#include "SignalFreeThread.h"

#include <libpq-fe.h>

#include <array>
#include <exception>

namespace HangDetection {

namespace {

/// How long a server may take to answer a cancel. Half of the two seconds in which
/// the whole plugin has to stop.
constexpr std::chrono::seconds cancelGrace{1};

} // namespace

StatementWatch::StatementWatch(pg_conn* connection, std::stop_token stop, Clock::time_point deadline,
                               std::atomic<bool>& hasInterfered)
    : _cancel(PQgetCancel(connection), &PQfreeCancel),
      _socket(PQsocket(connection)),
      _hasInterfered(hasInterfered),
      _thread(signalFreeThread("hang_watch",
                               [this, stop = std::move(stop), deadline] { keepWatch(stop, deadline); }))
{}

StatementWatch::~StatementWatch()
{
    {
        const std::lock_guard lock(_mutex);
        _runEnded = true;
    }
    _wakeUp.notify_all();
    _thread.join();
}

void StatementWatch::keepWatch(const std::stop_token& stop, Clock::time_point deadline)
{
    std::unique_lock lock(_mutex);
    if (_wakeUp.wait_until(lock, stop, deadline, [this] { return _runEnded; }))
        return;

    _hasInterfered = true;
    // PQcancel blocks for as long as the server is frozen, so nobody waits for it.
    try {
        signalFreeThread("hang_cancel", [cancel = _cancel] {
            std::array<char, 256> error{};
            PQcancel(cancel.get(), error.data(), error.size());
        }).detach();
    } catch (const std::exception&) {
        // Without a thread, the socket has to do.
    }

    if (!_wakeUp.wait_for(lock, cancelGrace, [this] { return _runEnded; }))
        _socket.shutDown();
}

} // namespace HangDetection
