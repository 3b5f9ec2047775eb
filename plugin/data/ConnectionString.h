#pragma once

#include <stdexcept>
#include <string>

namespace HangDetection {

class ConnectionStringError : public std::runtime_error
/// The reason why a connection string is refused. It quotes no part of the string, because in a malformed one
/// any part can be a password.
{
public:
    using std::runtime_error::runtime_error;
};

class ConnectionString
/// How to reach the job database: a libpq connection string or URI, checked, with the defaults that a daemon
/// needs.
///
/// The defaults are target_session_attrs=read-write, keepalives and tcp_user_timeout. read-write finds the
/// primary in a list of hosts; a standby cannot record a failure. The others notice a dead network within a
/// minute. An option that the operator sets keeps its value. With a service there are no defaults, because
/// the service's file may set the options.
///
/// Two options are always added. fallback_application_name makes pg_stat_activity name the detector.
/// client_encoding=SQL_ASCII makes the server send every text unconverted. Otherwise a text that the server
/// cannot convert would undo a termination.
{
public:
    ConnectionString() = default;

    bool operator==(const ConnectionString&) const = default;

    static ConnectionString parse(const std::string& text);
    /// Throws ConnectionStringError when libpq cannot read the text or a number in it. Also throws it when a
    /// part of a password seems to stand where libpq reads something else, such as the name of a host or a
    /// database: libpq's errors quote such names.

    bool hasPassword() const { return _hasPassword; }

    void allowCleartextPassword(bool isAllowed) { _isCleartextAllowed = isAllowed; }
    bool isCleartextAllowed() const { return _isCleartextAllowed; }
    /// Whether the password may be sent in clear text over TCP without encryption, if the server asks for
    /// that. Not allowed at first.

    std::string database() const;
    /// For people: which database this is, and where, as far as the text says.

    const std::string& secretText() const { return _text; }
    /// The connection string for libpq (see Surroundings.h). It may hold a password, so pass it to libpq and
    /// to nothing else.

private:
    std::string _text;
    bool _hasPassword = false;
    bool _isCleartextAllowed = false;
};

} // namespace HangDetection
