#pragma once

#include <chrono>
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
/// notice a dead network within a minute, and fallback_application_name, so that
/// pg_stat_activity names the detector. connect_timeout is always connectTimeout.
{
public:
    ConnectionString() = default;

    static ConnectionString parse(const std::string& text);
    /// Throws ConnectionStringError when libpq cannot read the text, when a value holds
    /// a blank, which Poco::Data cannot pass on, or when a part of a password seems
    /// to have become a host, port or database, whose names libpq's errors quote.

    static constexpr std::chrono::seconds connectTimeout{5};
    /// Bound on each connect to one host that cannot be interrupted.

    bool hasPassword() const { return _hasPassword; }

    const std::string& secretText() const { return _text; }
    /// The form that both PQconnectStart and Poco::Data::Session understand. It
    /// may hold a password: it goes to these two and nowhere else.

private:
    std::string _text;
    bool _hasPassword = false;
};

} // namespace HangDetection
