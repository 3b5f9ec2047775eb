#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

namespace HangDetection::Test {

class CountingProxy
/// Stands between a server and its clients, as a SocketProxy, and counts the round trips:
/// how often a client has said something, however long, and had to wait for the server's
/// answer. A network adds its delay as often.
///
/// Works in a thread of its own; to be asked by any.
{
public:
    explicit CountingProxy(const std::filesystem::path& serverDirectory);
    /// Where the server has its socket. Throws std::system_error.

    ~CountingProxy();
    /// Closes all connections.

    CountingProxy(const CountingProxy&) = delete;
    CountingProxy& operator=(const CountingProxy&) = delete;

    const std::filesystem::path& directory() const;
    /// The host of a connection string that leads through the proxy.

    int roundTrips() const;
    /// Since the last reset, those of all connections.

    std::size_t bytes() const;
    /// Said by clients and server since the last reset.

    void reset();

private:
    struct State;

    const std::unique_ptr<State> _state;
};

} // namespace HangDetection::Test
