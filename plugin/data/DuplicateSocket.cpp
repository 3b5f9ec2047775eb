#include "DuplicateSocket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace HangDetection {

DuplicateSocket::DuplicateSocket(int socket) : _descriptor(fcntl(socket, F_DUPFD_CLOEXEC, 0))
{
    if (_descriptor < 0)
        throw std::system_error(errno, std::generic_category(), "socket of the database");
}

DuplicateSocket::~DuplicateSocket()
{
    close(_descriptor);
}

void DuplicateSocket::shutDown() const noexcept
{
    shutdown(_descriptor, SHUT_RDWR);
}

} // namespace HangDetection
