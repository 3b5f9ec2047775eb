#pragma once

#include "SocketProxy.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

namespace HangDetection::Test {

class StallingProxy
/// A SocketProxy that falls silent at a certain moment, as a network that dies, until the silence ends.
/// Used by one thread.
{
public:
    explicit StallingProxy(const std::filesystem::path& serverDirectory)
        : _proxy(serverDirectory, [this](int connection, Speaker speaker, const std::string& said) {
              fallSilentIfDue(connection, speaker, said);
          })
    {}
    /// Where the server has its socket. Throws std::system_error.

    const std::filesystem::path& directory() const { return _proxy.directory(); }
    /// The host of a connection string that leads through the proxy.

    void fallSilentAtConnection() { fallSilentAt({1, Speaker::client, ""}); }
    /// When the next connection is made; it is never answered.

    void fallSilentAfterLogin();
    /// When a client has logged in on the next connection.

    void fallSilentAfterStatement(const std::string& part) { fallSilentAt({0, Speaker::client, part}); }
    /// When a client has said something with this part in it, which is passed on.

    bool waitUntilSilent(std::chrono::milliseconds atMost);
    /// True when it has fallen silent.

    void endSilence();

private:
    using Speaker = SocketProxy::Speaker;

    struct Moment
    /// When the silence begins.
    {
        int connection;
        /// Counted from the first one; 0 for any.
        Speaker speaker;
        std::string part;
        /// Of what the speaker has to have said; empty for a connection that is made.
    };

    void fallSilentAt(Moment when);
    void fallSilentIfDue(int connection, Speaker speaker, const std::string& said);

    std::mutex _mutex;
    std::condition_variable _changed;
    std::optional<Moment> _moment;
    int _lastConnection = 0;
    std::string _heard;
    /// By the speaker of the moment; a part may come in two pieces.
    bool _isSilent = false;
    SocketProxy _proxy;
    /// The last member, as its thread uses the others.
};

} // namespace HangDetection::Test
