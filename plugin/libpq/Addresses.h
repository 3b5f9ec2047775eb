#pragma once

#include "ConnectionText.h"

#include <chrono>
#include <deque>
#include <optional>
#include <string>

namespace Libpq {

class Addresses
/// The addresses that one connect tries, in libpq's order: each address of each host. libpq itself stays
/// with an address that does not answer, because its connect_timeout works only in functions that block.
{
public:
    explicit Addresses(std::string secretText);
    /// Takes a connection string for libpq. Reads the service file if the string names a service. Throws
    /// ConnectionRefused.

    std::optional<std::string> next();
    /// Returns a connection string for the next address; nothing when there are no more. It may hold a
    /// password. Looks up one host name at most; the resolver cannot be interrupted.

    std::chrono::seconds timeout() const { return _timeout; }
    /// Limit of each attempt: connect_timeout of the string or the service, otherwise 10 seconds.

private:
    const std::string _text;
    std::deque<Host> _hosts;
    /// Not tried yet. A name without an address is not looked up yet.
    bool _isShuffled = false;
    std::chrono::seconds _timeout{10};
};

} // namespace Libpq
