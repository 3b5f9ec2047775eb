#include "CountingProxy.h"

#include "SocketProxy.h"

#include <atomic>
#include <map>
#include <string>
#include <string_view>

namespace HangDetection::Test {

namespace fs = std::filesystem;

namespace {

using Speaker = SocketProxy::Speaker;

/// The message Terminate, which has no answer.
constexpr std::string_view farewell("X\0\0\0\4", 5);

} // namespace

struct CountingProxy::State
{
    explicit State(const fs::path& serverDirectory)
        : proxy(serverDirectory, [this](int connection, Speaker speaker, const std::string& said) {
              countIfTurned(connection, speaker, said);
          })
    {}

    void countIfTurned(int connection, Speaker speaker, const std::string& said)
    /// The answer cannot pass before this returns, so that whoever has it finds it counted.
    {
        bytes += said.size();
        Speaker& last = lastSpeaker.try_emplace(connection, Speaker::server).first->second;
        if (said.empty() || said == farewell)
            return;
        if (speaker == Speaker::client && last == Speaker::server)
            ++roundTrips;
        last = speaker;
    }

    std::atomic<int> roundTrips = 0;
    std::atomic<std::size_t> bytes = 0;
    std::map<int, Speaker> lastSpeaker;
    /// Of each connection. Belongs to the proxy's thread.
    SocketProxy proxy;
    /// The last member, as its thread uses the others.
};

CountingProxy::CountingProxy(const fs::path& serverDirectory)
    : _state(std::make_unique<State>(serverDirectory))
{}

CountingProxy::~CountingProxy() = default;

const fs::path& CountingProxy::directory() const
{
    return _state->proxy.directory();
}

int CountingProxy::roundTrips() const
{
    return _state->roundTrips;
}

std::size_t CountingProxy::bytes() const
{
    return _state->bytes;
}

void CountingProxy::reset()
{
    _state->bytes = 0;
    _state->roundTrips = 0;
}

} // namespace HangDetection::Test
