#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace HangDetection::Test {

class SocketProxy
/// Stands between a server and its clients, on a unix socket of its own, passes on what they say,
/// and calls a listener with it. Can be silent, as a network that is dead: then nothing passes on
/// any connection, new ones included. What is said meanwhile arrives afterwards.
///
/// Works in a thread of its own.
{
public:
    enum class Speaker
    {
        client,
        server
    };

    using Listener = std::function<void(int connection, Speaker speaker, const std::string& said)>;
    /// Called by the proxy's thread after something was passed on, and before anything else
    /// is. Connections are counted from 1. A client that connects says nothing, the first time.

    using Change = std::function<bool(std::string& said)>;
    /// Called with what the server said before it is passed on, and may change it. When it returns false,
    /// the connection ends after that.

    SocketProxy(
        const std::filesystem::path& serverDirectory, Listener listener,
        Change change = [](std::string&) { return true; });
    /// Where the server has its socket. Throws std::system_error.

    ~SocketProxy();
    /// Closes all connections.

    SocketProxy(const SocketProxy&) = delete;
    SocketProxy& operator=(const SocketProxy&) = delete;

    const std::filesystem::path& directory() const;
    /// The host of a connection string that leads through the proxy.

    void setSilent(bool isSilent);
    /// From any thread, the listener's included.

private:
    struct State;

    const std::unique_ptr<State> _state;
};

} // namespace HangDetection::Test
