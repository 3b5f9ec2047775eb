#pragma once

#include "ConnectionText.h"

#include <chrono>
#include <deque>
#include <optional>
#include <string>

namespace HangDetection {

void keepEnvironmentOut(std::string& text);
/// Of a connection string: an option that it leaves open, and for which a variable is set, gets its
/// default. Throws DatabaseError when libpq would use the variable nevertheless.

class ConnectionAttempts
/// What one connect tries, one after the other: each address of each host, in libpq's order. libpq
/// by itself stays with an address that does not answer, as its connect_timeout counts only in the
/// functions that block.
///
/// The environment does not count, as Connection in hang_detector.conf says what the connection is.
/// An option that Connection leaves open, and for which there is a variable, gets its default. The
/// files that libpq looks for where HOME says are those of the user that the process runs as.
/// With a service, libpq does not tell what comes from it and what from a variable, and on its own
/// looks for it where HOME says: then such a variable, and another HOME, are errors.
{
public:
    explicit ConnectionAttempts(std::string secretText);
    /// The text is that of a ConnectionString. Reads the service file, if one is named. Throws
    /// DatabaseError.

    std::optional<std::string> next();
    /// A connection string for libpq that leads to one address; nothing when there are no more.
    /// May hold a password. Looks up one host at most; the resolver cannot be interrupted.

    std::chrono::seconds timeout() const { return _timeout; }
    /// Bound on each attempt: connect_timeout where Connection or the service has it.

private:
    std::string _text;
    std::deque<Host> _hosts;
    /// Those that are left. One without an address is still to be looked up.
    bool _isShuffled = false;
    std::chrono::seconds _timeout{10};
};

} // namespace HangDetection
