#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

namespace HangDetection::Test {

class StallingProxy
/// Stands between a server and its clients, on a unix socket of its own, and passes on
/// what they say. It can be told to fall silent, as a network that dies: from that
/// moment on nothing passes on any connection, new ones included, and nobody is told,
/// until the silence ends. What was said meanwhile then arrives.
///
/// Works in a thread of its own; to be told by one thread.
{
public:
    explicit StallingProxy(const std::filesystem::path& serverDirectory);
    /// Where the server has its socket. Throws std::system_error.

    ~StallingProxy();
    /// Closes all connections.

    StallingProxy(const StallingProxy&) = delete;
    StallingProxy& operator=(const StallingProxy&) = delete;

    const std::filesystem::path& directory() const;
    /// The host of a connection string that leads through the proxy.

    void fallSilentAtConnection(int number);
    /// When this connection is made, counted from now on; it is never answered.

    void fallSilentAfterLogin(int number);
    /// When a client has logged in on this connection, counted from now on.

    void fallSilentAfterStatement(const std::string& part);
    /// When a client has said something with this part in it, which is passed on.

    bool waitUntilSilent(std::chrono::milliseconds atMost);
    /// True when it has fallen silent.

    void endSilence();

private:
    struct State;

    const std::unique_ptr<State> _state;
};

} // namespace HangDetection::Test
