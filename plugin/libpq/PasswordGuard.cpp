#include "PasswordGuard.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace Libpq {

namespace {

/// An answer has a letter, its length without the letter in four bytes, and then its contents.
constexpr std::size_t headerSize = 5;

/// The first number in an answer 'R' that asks for the password in clear text.
constexpr std::size_t cleartextPassword = 3;

/// As in libpq, for the longest answer: an error.
constexpr std::size_t longestAnswer = 30000;

/// A server that cannot start a process for the session answers with this letter, a text and a zero byte, as
/// before PostgreSQL 7.4. Then the text stands where the length would be, so the length is too large.
constexpr char errorAnswer = 'E';

std::size_t numberAt(const std::string& text, std::size_t at)
/// Four bytes, the highest first.
{
    std::size_t number = 0;
    for (const char c : text.substr(at, 4))
        number = (number << 8U) | static_cast<unsigned char>(c);
    return number;
}

class Descriptor
{
public:
    explicit Descriptor(int descriptor = -1) : _descriptor(descriptor) {}

    ~Descriptor()
    {
        if (_descriptor >= 0)
            close(_descriptor);
    }

    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    operator int() const { return _descriptor; }

private:
    const int _descriptor;
};

bool isSameSocket(int one, int other)
{
    struct stat first = {};
    struct stat second = {};
    return fstat(one, &first) == 0 && fstat(other, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

bool passOn(int from, int to)
/// What libpq has said. It is short, so it fits into the connection's buffer.
{
    std::array<char, 4096> said{};
    for (;;) {
        const ssize_t size = recv(from, said.data(), said.size(), 0);
        if (size <= 0)
            return true;
        if (send(to, said.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL) != size)
            return false;
    }
}

} // namespace

PostgresPollingStatusType PasswordGuard::poll()
{
    if (!isGuarded())
        return PQconnectPoll(_connection);
    switch (PQstatus(_connection)) {
    case CONNECTION_SSL_STARTUP:
    case CONNECTION_GSS_STARTUP:
        return pollForEncryption();
    case CONNECTION_AWAITING_RESPONSE:
        return pollForAnswer();
    default:
        return PQconnectPoll(_connection);
    }
}

bool PasswordGuard::isGuarded() const
{
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    return PQsslInUse(_connection) == 0 && PQgssEncInUse(_connection) == 0 &&
           getsockname(PQsocket(_connection), reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
           address.ss_family != AF_UNIX;
}

PostgresPollingStatusType PasswordGuard::pollForEncryption()
/// The server answers with one letter. After any but N, libpq encrypts the connection or gives it up.
{
    std::string letter(1, '\0');
    const int socket = PQsocket(_connection);
    if (recv(socket, letter.data(), 1, MSG_PEEK) != 1 || letter != "N")
        return PQconnectPoll(_connection);
    recv(socket, letter.data(), 1, 0);
    return pollWith(letter);
}

PostgresPollingStatusType PasswordGuard::pollForAnswer()
{
    while (const std::size_t size = missing()) {
        std::array<char, 4096> part{};
        const ssize_t count = recv(PQsocket(_connection), part.data(), std::min(size, part.size()), 0);
        if (count < 0 && (errno == EAGAIN || errno == EINTR))
            return PGRES_POLLING_READING;
        if (count <= 0) {
            // The connection has ended. libpq says so, or makes another one.
            _answer.clear();
            return PQconnectPoll(_connection);
        }
        _answer.append(part.data(), static_cast<std::size_t>(count));
        if (_answer.size() >= headerSize && missing() > longestAnswer)
            return refuse("the server's answer is not one of PostgreSQL");
    }
    const std::string answer = std::exchange(_answer, {});
    const bool isRequest = answer.front() == 'R' && answer.size() >= headerSize + 4;
    if (isRequest && numberAt(answer, headerSize) == cleartextPassword && *PQpass(_connection) != '\0')
        return refuse("the server asks for the password in clear text, and the connection is not encrypted");
    return pollWith(answer);
}

std::size_t PasswordGuard::missing() const
/// So many bytes of the answer have not come yet.
{
    if (_answer.size() < headerSize)
        return headerSize - _answer.size();
    const std::size_t size = numberAt(_answer, 1) + 1;
    if (_answer.front() == errorAnswer && size > longestAnswer && _answer.size() < longestAnswer)
        return _answer.back() == '\0' ? 0 : 1;
    return size - _answer.size();
}

PostgresPollingStatusType PasswordGuard::pollWith(const std::string& answer)
/// Lets libpq read this answer and no more.
{
    const int socket = PQsocket(_connection);
    const Descriptor server(fcntl(socket, F_DUPFD_CLOEXEC, 0));
    std::array<int, 2> pair{-1, -1};
    if (server < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair.data()) != 0)
        return refuse(std::generic_category().message(errno));
    const Descriptor guard(pair[0]);
    const Descriptor libpq(pair[1]);
    if (!(send(guard, answer.data(), answer.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(answer.size())) ||
        dup3(libpq, socket, O_CLOEXEC) < 0)
        return refuse(std::generic_category().message(errno));

    const PostgresPollingStatusType direction = PQconnectPoll(_connection);
    // libpq may have closed the socket, and may have made another one for a second attempt.
    if (!isSameSocket(PQsocket(_connection), libpq))
        return direction;
    if (dup3(server, socket, O_CLOEXEC) < 0 || !passOn(guard, server))
        return refuse(std::generic_category().message(errno));
    return direction;
}

PostgresPollingStatusType PasswordGuard::refuse(const std::string& why)
{
    _refusal = why;
    return PGRES_POLLING_FAILED;
}

} // namespace Libpq
