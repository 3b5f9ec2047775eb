#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace HangDetection::Test {

class AskingServer
/// A server of an attacker, which asks for the password in clear text and repeats it. Serves one connection
/// after the other, in a thread of its own.
{
public:
    struct Ways
    {
        std::string password;
        std::string socket = {};
        /// Without it, the server listens on a port of 127.0.0.1.
        std::string noTls = "N";
        /// The answer to a client that asks for TLS, and what comes right behind it.
        std::string request = message('R', {"\0\0\0\3", 4});
        bool isSlow = false;
        /// Each byte of the request comes by itself.
        bool isPleased = false;
        /// The password is right. The server repeats it in the error of each statement.
    };

    explicit AskingServer(Ways ways) : _ways(std::move(ways)), _socket(listen())
    {
        _thread = std::thread([this] { serve(); });
    }

    ~AskingServer()
    {
        shutdown(_socket, SHUT_RDWR);
        shutdown(_client, SHUT_RDWR);
        _thread.join();
        close(_socket);
    }

    AskingServer(const AskingServer&) = delete;
    AskingServer& operator=(const AskingServer&) = delete;

    std::string port() const
    {
        sockaddr_in address{};
        socklen_t size = sizeof address;
        getsockname(_socket, reinterpret_cast<sockaddr*>(&address), &size);
        return std::to_string(ntohs(address.sin_port));
    }

    int passwords() const { return _passwords; }
    /// How many passwords it got.

    static std::string message(char type, std::string_view contents)
    {
        const std::size_t size = contents.size() + 4;
        return std::string{type, '\0', '\0', static_cast<char>(size >> 8U), static_cast<char>(size & 255U)} +
               std::string(contents);
    }

private:
    int listen() const
    {
        sockaddr_in inet{};
        inet.sin_family = AF_INET;
        inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        sockaddr_un local{};
        local.sun_family = AF_UNIX;
        _ways.socket.copy(local.sun_path, sizeof local.sun_path - 1);
        const bool isInet = _ways.socket.empty();
        const int descriptor = socket(isInet ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int bound = isInet ? bind(descriptor, reinterpret_cast<sockaddr*>(&inet), sizeof inet)
                                 : bind(descriptor, reinterpret_cast<sockaddr*>(&local), sizeof local);
        if (bound != 0 || ::listen(descriptor, SOMAXCONN) != 0)
            throw std::system_error(errno, std::generic_category(), "AskingServer");
        return descriptor;
    }

    void serve()
    {
        for (int client = 0; (client = accept(_socket, nullptr, nullptr)) >= 0; close(client)) {
            _client = client;
            serve(client);
        }
    }

    void serve(int client)
    {
        constexpr std::string_view tlsRequest("\x04\xd2\x16\x2f", 4);
        std::string said = hear(client);
        if (said.find(tlsRequest) != std::string::npos) {
            say(client, _ways.noTls);
            hear(client);
        }
        if (_ways.isSlow) {
            for (const char c : _ways.request) {
                say(client, {c});
                std::this_thread::sleep_for(std::chrono::milliseconds(5));
            }
        } else {
            say(client, _ways.request);
        }
        said.clear();
        while (said.find(_ways.password) == std::string::npos) {
            const std::string more = hear(client);
            if (more.empty())
                return;
            said += more;
        }
        ++_passwords;
        if (!_ways.isPleased) {
            say(client, error("FATAL"));
            return;
        }
        const std::string isReady = message('Z', "I");
        say(client, message('R', {"\0\0\0\0", 4}) + isReady);
        while (!hear(client).empty())
            say(client, error("ERROR") + isReady);
    }

    std::string error(const std::string& severity) const
    {
        const char end = '\0';
        return message('E',
                       'S' + severity + end + "CP0001" + end + "Mno " + _ways.password + " here" + end + end);
    }

    static std::string hear(int client)
    {
        std::array<char, 4096> part{};
        const ssize_t size = recv(client, part.data(), part.size(), 0);
        return {part.data(), size < 0 ? 0 : static_cast<std::size_t>(size)};
    }

    static void say(int client, const std::string& text)
    {
        send(client, text.data(), text.size(), MSG_NOSIGNAL);
    }

    const Ways _ways;
    const int _socket;
    std::atomic_int _client = -1;
    std::atomic_int _passwords = 0;
    std::thread _thread;
};

} // namespace HangDetection::Test
