#include "StallingProxy.h"

#include "SocketProxy.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

namespace HangDetection::Test {

namespace fs = std::filesystem;

namespace {

using Speaker = SocketProxy::Speaker;

/// The message ReadyForQuery, outside of a transaction; the first one ends the login.
constexpr std::string_view readyForQuery("Z\0\0\0\5I", 6);

struct Moment
/// When the silence begins.
{
    int connection;
    /// Counted from the first one; 0 for any.
    Speaker speaker;
    std::string part;
    /// Of what the speaker has to have said; empty for a connection that is made.
};

} // namespace

struct StallingProxy::State
{
    explicit State(const fs::path& serverDirectory)
        : proxy(serverDirectory, [this](int connection, Speaker speaker, const std::string& said) {
              fallSilentIfDue(connection, speaker, said);
          })
    {}

    void fallSilentIfDue(int connection, Speaker speaker, const std::string& said)
    {
        const std::lock_guard lock(mutex);
        lastConnection = std::max(lastConnection, connection);
        if (!moment || (moment->connection != 0 && moment->connection != connection) ||
            moment->speaker != speaker)
            return;
        heard += said;
        if (heard.find(moment->part) == std::string::npos)
            return;
        moment.reset();
        isSilent = true;
        proxy.setSilent(true);
        changed.notify_all();
    }

    void fallSilentAt(Moment when)
    {
        const std::lock_guard lock(mutex);
        if (when.connection != 0)
            when.connection += lastConnection;
        moment = std::move(when);
        heard.clear();
    }

    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Moment> moment;
    int lastConnection = 0;
    std::string heard;
    /// By the speaker of the moment; a part may come in two pieces.
    bool isSilent = false;
    SocketProxy proxy;
    /// The last member, as its thread uses the others.
};

StallingProxy::StallingProxy(const fs::path& serverDirectory)
    : _state(std::make_unique<State>(serverDirectory))
{}

StallingProxy::~StallingProxy() = default;

const fs::path& StallingProxy::directory() const
{
    return _state->proxy.directory();
}

void StallingProxy::fallSilentAtConnection(int number)
{
    _state->fallSilentAt({number, Speaker::client, ""});
}

void StallingProxy::fallSilentAfterLogin(int number)
{
    _state->fallSilentAt({number, Speaker::server, std::string(readyForQuery)});
}

void StallingProxy::fallSilentAfterStatement(const std::string& part)
{
    _state->fallSilentAt({0, Speaker::client, part});
}

bool StallingProxy::waitUntilSilent(std::chrono::milliseconds atMost)
{
    std::unique_lock lock(_state->mutex);
    return _state->changed.wait_for(lock, atMost, [this] { return _state->isSilent; });
}

void StallingProxy::endSilence()
{
    const std::lock_guard lock(_state->mutex);
    _state->isSilent = false;
    _state->moment.reset();
    _state->proxy.setSilent(false);
}

} // namespace HangDetection::Test
