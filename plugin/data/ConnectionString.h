#pragma once

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

namespace HangDetection {

class ConnectionStringError : public std::runtime_error
/// Why a connection string is refused. Quotes nothing of it, as a password may
/// stand anywhere in a malformed one.
{
public:
    using std::runtime_error::runtime_error;
};

class ConnectionString
/// How to reach the job database: a libpq connection string or URI, checked, with
/// the defaults that a daemon needs.
///
/// Where the operator did not say otherwise, and does not name a service, whose file
/// may: target_session_attrs=read-write (a standby cannot record a failure, and in a
/// list of hosts this finds the primary), keepalives and tcp_user_timeout that
/// notice a dead network within a minute. In any case fallback_application_name, so that
/// pg_stat_activity names the detector.
{
public:
    ConnectionString() = default;

    bool operator==(const ConnectionString&) const = default;

    static ConnectionString parse(const std::string& text);
    /// Throws ConnectionStringError when libpq cannot read the text or the numbers in it, or
    /// when a part of a password seems to have become something else, such as a host or a
    /// database, whose names libpq's errors quote.

    bool hasPassword() const { return _hasPassword; }

    const std::vector<std::string>& secretHosts() const { return _hosts; }
    /// A connection string for each host, in the order in which they are to be tried; at least one.
    /// They may hold a password: they go to libpq and nowhere else.

    std::chrono::seconds connectTimeout() const { return _connectTimeout; }
    /// Bound on the connect to one host: connect_timeout where the text has it.

private:
    std::vector<std::string> _hosts{std::string()};
    std::chrono::seconds _connectTimeout{10};
    bool _hasPassword = false;
};

} // namespace HangDetection
