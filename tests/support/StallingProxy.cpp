#include "StallingProxy.h"

#include <algorithm>
#include <utility>

namespace HangDetection::Test {

void StallingProxy::fallSilentAfterLogin()
{
    // The first ReadyForQuery, outside of a transaction.
    fallSilentAt({1, Speaker::server, std::string("Z\0\0\0\5I", 6)});
}

bool StallingProxy::waitUntilSilent(std::chrono::milliseconds atMost)
{
    std::unique_lock lock(_mutex);
    return _changed.wait_for(lock, atMost, [this] { return _isSilent; });
}

void StallingProxy::endSilence()
{
    const std::lock_guard lock(_mutex);
    _isSilent = false;
    _moment.reset();
    _proxy.setSilent(false);
}

void StallingProxy::fallSilentAt(Moment when)
{
    const std::lock_guard lock(_mutex);
    if (when.connection != 0)
        when.connection += _lastConnection;
    _moment = std::move(when);
    _heard.clear();
}

void StallingProxy::fallSilentIfDue(int connection, Speaker speaker, const std::string& said)
{
    const std::lock_guard lock(_mutex);
    _lastConnection = std::max(_lastConnection, connection);
    if (!_moment || (_moment->connection != 0 && _moment->connection != connection) ||
        _moment->speaker != speaker)
        return;
    _heard += said;
    if (_heard.find(_moment->part) == std::string::npos)
        return;
    _moment.reset();
    _isSilent = true;
    _proxy.setSilent(true);
    _changed.notify_all();
}

} // namespace HangDetection::Test
