#include "SocketProxy.h"

#include "TemporaryDirectory.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <exception>
#include <iostream>
#include <list>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace HangDetection::Test {

namespace fs = std::filesystem;

namespace {

using Speaker = SocketProxy::Speaker;

constexpr const char* socketName = ".s.PGSQL.5432";

int require(int result)
{
    if (result < 0)
        throw std::system_error(errno, std::generic_category(), "SocketProxy");
    return result;
}

class Descriptor
/// Closes what it holds.
{
public:
    explicit Descriptor(int number) : _number(require(number)) {}

    ~Descriptor() { close(_number); }

    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    int number() const { return _number; }

private:
    const int _number;
};

sockaddr_un addressOf(const fs::path& directory)
{
    const std::string path = (directory / socketName).string();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        throw std::system_error(ENAMETOOLONG, std::generic_category(), path);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

class Connection
/// A client's connection, and the one to the server that goes with it.
{
public:
    Connection(int number, int client, const sockaddr_un& server)
        : _number(number), _client(client), _server(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))
    {
        require(connect(_server.number(), reinterpret_cast<const sockaddr*>(&server), sizeof server));
    }

    int number() const { return _number; }

    int descriptorOf(Speaker speaker) const
    {
        return speaker == Speaker::client ? _client.number() : _server.number();
    }

    std::optional<std::string> passOnFrom(Speaker speaker, const SocketProxy::Change& change) const
    /// What was said; nothing when the connection has to end: the speaker has hung up, or nobody listens.
    {
        std::array<char, 65536> buffer{};
        const auto size = recv(descriptorOf(speaker), buffer.data(), buffer.size(), 0);
        if (size <= 0)
            return std::nullopt;
        std::string said(buffer.data(), static_cast<std::size_t>(size));
        const bool goesOn = speaker == Speaker::client || change(said);
        const int listener = descriptorOf(speaker == Speaker::client ? Speaker::server : Speaker::client);
        for (std::string_view rest = said; !rest.empty();) {
            const auto passed = send(listener, rest.data(), rest.size(), MSG_NOSIGNAL);
            if (passed < 0)
                return std::nullopt;
            rest.remove_prefix(static_cast<std::size_t>(passed));
        }
        return goesOn ? std::optional(said) : std::nullopt;
    }

private:
    const int _number;
    const Descriptor _client;
    const Descriptor _server;
};

} // namespace

struct SocketProxy::State
{
    State(const fs::path& serverDirectory, Listener whoListens, Change whatChanges)
        : server(addressOf(serverDirectory)), tell(std::move(whoListens)), change(std::move(whatChanges))
    {
        const sockaddr_un own = addressOf(directory.path());
        constexpr int backlog = 4096; // of a silence, in which none is accepted
        require(bind(listener.number(), reinterpret_cast<const sockaddr*>(&own), sizeof own));
        require(listen(listener.number(), backlog));
        // Others have to come through to the socket, among them SlurmUser.
        fs::permissions(directory.path(), fs::perms::others_exec, fs::perm_options::add);
        fs::permissions(directory.path() / socketName, fs::perms::all);
    }

    void run()
    {
        while (!hasToEnd) {
            try {
                passOnWhatIsSaid();
            } catch (const std::exception& exception) {
                std::cerr << "the proxy of the tests failed: " << exception.what() << '\n';
                connections.clear();
            }
        }
    }

    void passOnWhatIsSaid()
    {
        std::vector<pollfd> requests{{alarm.number(), POLLIN, 0}};
        if (!isSilent) {
            requests.push_back({listener.number(), POLLIN, 0});
            for (const Connection& connection : connections) {
                requests.push_back({connection.descriptorOf(Speaker::client), POLLIN, 0});
                requests.push_back({connection.descriptorOf(Speaker::server), POLLIN, 0});
            }
        }
        poll(requests.data(), requests.size(), -1);
        const auto isReady = [&](int descriptor) {
            return std::any_of(requests.begin(), requests.end(), [&](const pollfd& request) {
                return request.fd == descriptor && request.revents != 0;
            });
        };

        if (isReady(alarm.number())) {
            eventfd_t ignored = 0;
            eventfd_read(alarm.number(), &ignored);
        }
        // The old ones first, as a new one may get the number of one that is closed.
        connections.remove_if([&](const Connection& connection) {
            for (const Speaker speaker : {Speaker::client, Speaker::server}) {
                if (isSilent || !isReady(connection.descriptorOf(speaker)))
                    continue;
                const auto said = connection.passOnFrom(speaker, change);
                if (!said)
                    return true;
                tell(connection.number(), speaker, *said);
            }
            return false;
        });
        if (!isSilent && isReady(listener.number()))
            acceptConnection();
    }

    void acceptConnection()
    {
        const int client = require(accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC));
        connections.emplace_back(++accepted, client, server);
        tell(accepted, Speaker::client, "");
    }

    void wakeUp() const { eventfd_write(alarm.number(), 1); }

    const TemporaryDirectory directory;
    const sockaddr_un server;
    const Descriptor listener{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const Descriptor alarm{eventfd(0, EFD_CLOEXEC)};
    const Listener tell;
    const Change change;
    std::list<Connection> connections;
    /// Belongs to the thread, as does no other member that is not constant, but for the next.
    int accepted = 0;

    std::atomic<bool> isSilent = false;
    std::atomic<bool> hasToEnd = false;
    std::thread thread;
};

SocketProxy::SocketProxy(const fs::path& serverDirectory, Listener listener, Change change)
    : _state(std::make_unique<State>(serverDirectory, std::move(listener), std::move(change)))
{
    _state->thread = std::thread([state = _state.get()] { state->run(); });
}

SocketProxy::~SocketProxy()
{
    _state->hasToEnd = true;
    _state->wakeUp();
    _state->thread.join();
}

const fs::path& SocketProxy::directory() const
{
    return _state->directory.path();
}

void SocketProxy::setSilent(bool isSilent)
{
    _state->isSilent = isSilent;
    _state->wakeUp();
}

} // namespace HangDetection::Test
