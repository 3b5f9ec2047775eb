#include "FreePort.h"

#include <netinet/in.h>
#include <random>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace HangDetection::Test {

namespace {

bool isFree(std::uint16_t port)
{
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    const int refused = bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    close(listener);
    return refused == 0;
}

} // namespace

std::string freePort(std::uint16_t from, std::uint16_t to)
{
    std::random_device random;
    std::uniform_int_distribution<int> any(from, to);
    for (int attempt = 0; attempt < 1000; ++attempt) {
        const auto port = static_cast<std::uint16_t>(any(random));
        if (isFree(port))
            return std::to_string(port);
    }
    throw std::runtime_error("no free port between " + std::to_string(from) + " and " + std::to_string(to));
}

} // namespace HangDetection::Test
