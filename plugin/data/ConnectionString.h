#pragma once

#include <stdexcept>
#include <string>

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
/// pg_stat_activity names the detector, and client_encoding=SQL_ASCII: the server never converts
/// what it answers, so no text that it cannot convert undoes a termination.
{
public:
    ConnectionString() = default;

    bool operator==(const ConnectionString&) const = default;

    static ConnectionString parse(const std::string& text);
    /// Throws ConnectionStringError when libpq cannot read the text or the numbers in it, or
    /// when a part of a password seems to have become something else, such as a host or a
    /// database, whose names libpq's errors quote.

    bool hasPassword() const { return _hasPassword; }

    const std::string& secretText() const { return _text; }
    /// A connection string for libpq (Surroundings). May hold a password: it goes to libpq and
    /// nowhere else.

private:
    std::string _text;
    bool _hasPassword = false;
};

} // namespace HangDetection
