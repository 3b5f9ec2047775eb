#include "Addresses.h"

#include "Errors.h"

#include <Poco/Exception.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace Libpq {

namespace {

std::chrono::seconds timeoutOf(const ConnectionOptions& options)
{
    const std::string value = valueOf(options, "connect_timeout").value_or("");
    if (value.empty())
        return std::chrono::seconds(10);
    const auto seconds = numberIn(value);
    if (!seconds)
        throw ConnectionRefused({"connect_timeout is not a whole number of seconds"});
    // To libpq, 0 means for ever. Here the session's limit ends the wait in any case.
    return *seconds > 0 ? std::chrono::seconds(*seconds) : std::chrono::hours(1);
}

std::vector<std::string> addressesOf(const std::string& host)
/// In the resolver's order. Empty when the lookup fails.
{
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* first = nullptr;
    if (getaddrinfo(host.c_str(), nullptr, &hints, &first) != 0)
        return {};
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> results(first, &freeaddrinfo);
    std::vector<std::string> addresses;
    for (const addrinfo* result = first; result != nullptr; result = result->ai_next) {
        std::array<char, NI_MAXHOST> text{};
        if (getnameinfo(result->ai_addr, result->ai_addrlen, text.data(), text.size(), nullptr, 0,
                        NI_NUMERICHOST) == 0)
            addresses.emplace_back(text.data());
    }
    return addresses;
}

} // namespace

Addresses::Addresses(std::string secretText) : _text(std::move(secretText))
{
    if (_text.starts_with("postgres://") || _text.starts_with("postgresql://"))
        throw Poco::NotImplementedException("a URI");
    const ConnectionOptions options = optionsOf(_text);
    const auto hosts = hostsOf(options).value();
    _hosts.assign(hosts.begin(), hosts.end());
    _timeout = timeoutOf(options);
    _isShuffled = valueOf(options, "load_balance_hosts") == "random"; // from libpq 16 on
    if (_isShuffled)
        std::shuffle(_hosts.begin(), _hosts.end(), std::random_device());
}

std::optional<std::string> Addresses::next()
{
    if (_hosts.empty())
        return std::nullopt;
    Host host = std::move(_hosts.front());
    _hosts.pop_front();
    const bool isName = !host.name.empty() && !host.name.starts_with('/') && !host.name.starts_with('@');
    if (isName && host.address.empty()) {
        auto addresses = addressesOf(host.name);
        if (_isShuffled)
            std::shuffle(addresses.begin(), addresses.end(), std::random_device());
        // If there are none, libpq looks the name up again and reports the error.
        for (; !addresses.empty(); addresses.pop_back()) {
            host.address = addresses.back();
            _hosts.push_front(host);
        }
        if (!host.address.empty())
            _hosts.pop_front();
    }
    std::string text = _text;
    appendOption(text, "host", host.name);
    appendOption(text, "hostaddr", host.address);
    appendOption(text, "port", host.port);
    return text;
}

} // namespace Libpq
