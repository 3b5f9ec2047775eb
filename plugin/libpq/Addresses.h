#pragma once

#include "ConnectionText.h"

#include <chrono>
#include <deque>
#include <optional>
#include <string>

namespace Libpq {

class Addresses
/// What one connect tries, one after the other: each address of each host, in libpq's order. libpq
/// by itself stays with an address that does not answer, as its connect_timeout counts only in the
/// functions that block.
{
public:
    explicit Addresses(std::string secretText);
    /// A connection string of libpq's. Reads the service file, if one is named. Throws
    /// ConnectionRefused.

    std::optional<std::string> next();
    /// A connection string for libpq that leads to one address; nothing when there are no more.
    /// May hold a password. Looks up one host at most; the resolver cannot be interrupted.

    std::chrono::seconds timeout() const { return _timeout; }
    /// Bound on each attempt: connect_timeout where the text or the service has it.

private:
    const std::string _text;
    std::deque<Host> _hosts;
    /// Those that are left. One without an address is still to be looked up.
    bool _isShuffled = false;
    std::chrono::seconds _timeout{10};
};

} // namespace Libpq
