#pragma once

#include "SocketProxy.h"

#include <atomic>
#include <cstddef>
#include <map>
#include <string_view>

namespace HangDetection::Test {

class CountingProxy
/// A SocketProxy that counts the round trips: how often a client has said something, however long,
/// and had to wait for the server's answer. A network adds its delay as often. Used by any thread.
{
public:
    explicit CountingProxy(const std::filesystem::path& serverDirectory)
        : _proxy(serverDirectory, [this](int connection, Speaker speaker, const std::string& said) {
              countIfTurned(connection, speaker, said);
          })
    {}
    /// Where the server has its socket. Throws std::system_error.

    const std::filesystem::path& directory() const { return _proxy.directory(); }
    /// The host of a connection string that leads through the proxy.

    int roundTrips() const { return _roundTrips; }
    /// Since the last reset, those of all connections.

    std::size_t bytes() const { return _bytes; }
    /// Said by clients and server since the last reset.

    void reset()
    {
        _bytes = 0;
        _roundTrips = 0;
    }

private:
    using Speaker = SocketProxy::Speaker;

    void countIfTurned(int connection, Speaker speaker, const std::string& said)
    /// The answer cannot pass before this returns, so that whoever has it finds it counted.
    {
        constexpr std::string_view terminateMessage("X\0\0\0\4", 5); // which has no answer
        _bytes += said.size();
        Speaker& last = _lastSpeaker.try_emplace(connection, Speaker::server).first->second;
        if (said.empty() || said == terminateMessage)
            return;
        if (speaker == Speaker::client && last == Speaker::server)
            ++_roundTrips;
        last = speaker;
    }

    std::atomic<int> _roundTrips = 0;
    std::atomic<std::size_t> _bytes = 0;
    std::map<int, Speaker> _lastSpeaker;
    /// Of each connection. Belongs to the proxy's thread.
    SocketProxy _proxy;
    /// The last member, as its thread uses the others.
};

} // namespace HangDetection::Test
