#include "SessionShell.h"

#include "ConnectionAttempts.h"
#include "SignalFreeThread.h"

#include <Poco/Data/PostgreSQL/Connector.h>
#include <Poco/Data/PostgreSQL/SessionHandle.h>
#include <Poco/Data/PostgreSQL/Utility.h>
#include <Poco/String.h>
#include <libpq-fe.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace HangDetection {

namespace {

using Poco::Data::PostgreSQL::SessionHandle;

class Greeter
/// Listens on an abstract socket (unix(7)) with a name that nobody else knows, and
/// greets the first client, as a server does that asks for no password.
{
public:
    Greeter();
    ~Greeter();

    Greeter(const Greeter&) = delete;
    Greeter& operator=(const Greeter&) = delete;

    std::string connectionString() const;
    /// Leads to the greeter, whatever the environment may say.
    /// Without blanks, as Poco cuts at each.

private:
    void greet() noexcept;

    const std::string _name;
    const int _listener;
    int _client = -1;
    /// Written by the thread. Stays open while the client may still read.
    std::thread _thread;
};

/// AuthenticationOk, then ReadyForQuery outside of a transaction, from the PostgreSQL
/// manual, "Message Formats": a letter, the length of the rest, and the rest.
constexpr std::string_view greeting("R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I", 15);

/// libpq makes a socket's name of this and the host.
constexpr const char* port = "1";

std::string randomName()
{
    std::random_device random;
    return "hang_detector-" + std::to_string(getpid()) + '-' + std::to_string(random()) +
           std::to_string(random());
}

int listenAt(const std::string& name)
{
    const std::string path = name + "/.s.PGSQL." + port;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // An abstract name begins with a zero and ends with the length that is given.
    path.copy(address.sun_path + 1, sizeof address.sun_path - 1);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + path.size());

    const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
        listen(listener, 1) != 0) {
        const int error = errno;
        if (listener >= 0)
            close(listener);
        throw std::system_error(error, std::generic_category(), "socket for Poco's session");
    }
    return listener;
}

Greeter::Greeter() : _name(randomName()), _listener(listenAt(_name))
{
    try {
        _thread = signalFreeThread("hang_greeter", [this] { greet(); });
    } catch (...) {
        close(_listener);
        throw;
    }
}

Greeter::~Greeter()
{
    shutdown(_listener, SHUT_RDWR); // ends the wait for a client that never came
    _thread.join();
    close(_listener);
    if (_client >= 0)
        close(_client);
}

std::string Greeter::connectionString() const
{
    std::string text = "connect_timeout=5\thost=@" + _name + "\thostaddr=''\tport=" + port +
                       "\tuser=none\tdbname=none\tpassword=none\tsslmode=disable\tgssencmode=disable"
                       "\tchannel_binding=disable\trequirepeer=''\ttarget_session_attrs=any";
    keepEnvironmentOut(text);
    return Poco::translate(text, " ", "\t");
}

void Greeter::greet() noexcept
{
    _client = accept4(_listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (_client >= 0)
        send(_client, greeting.data(), greeting.size(), MSG_NOSIGNAL);
}

PGconn*& connectionOf(SessionHandle& handle);

template <auto Member>
struct OpenedUp
/// No public member of Poco's takes a connection or gives it back. An explicit
/// instantiation may name a private one.
{
    friend PGconn*& connectionOf(SessionHandle& handle) { return handle.*Member; }
};

template struct OpenedUp<&SessionHandle::_pConnection>;

} // namespace

SessionShell::SessionShell()
    : _session(Poco::Data::PostgreSQL::Connector::KEY, Greeter().connectionString()),
      _connection(connectionOf(*Poco::Data::PostgreSQL::Utility::handle(_session)))
{
    hold(nullptr); // the greeter's
}

SessionShell::~SessionShell()
{
    hold(nullptr);
}

void SessionShell::hold(pg_conn* connection) noexcept
{
    PQfinish(std::exchange(_connection, connection));
}

} // namespace HangDetection
