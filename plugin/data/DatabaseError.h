#pragma once

#include <stdexcept>
#include <string>

namespace Poco {
class Exception;
}

namespace Libpq {
class ConnectionRefused;
}

namespace HangDetection {

class DatabaseError : public std::runtime_error
/// An error of the job database. Its scope decides what happens next. The text is
/// one line that the server or libpq wrote; it holds no part of the connection
/// string but host, port, user and database names.
{
public:
    enum class Scope
    {
        connection, /// there is no usable connection: the run ends, the next one connects anew
        database,   /// every job would meet it: the run ends, the connection may stay
        job         /// it comes from the rows of the statement: other jobs may succeed
    };

    DatabaseError(Scope scope, const std::string& cause, std::string sqlState, std::string advice);

    Scope scope() const noexcept { return _scope; }

    const std::string& sqlState() const noexcept { return _sqlState; }
    /// Five characters, or empty when no server answered.

    const std::string& advice() const noexcept { return _advice; }
    /// What the operator can do about it, or empty.

    bool concernsEveryJob() const;
    /// The server is gone or short of something, or the statement was cancelled as the run is over. With any
    /// other error, jobs that were terminated just before show that the job is at fault.

    bool isObjectMissing() const;
    /// A table, a column or a right of the role.

    std::string kind() const;
    /// Errors of the same kind are one piece of news for the operator, however their texts differ.

    static DatabaseError fromStatement(const Poco::Exception& exception, bool connectionLost);
    /// The error of a statement, out of what the session threw for it.

    static DatabaseError fromConnecting(const Libpq::ConnectionRefused& refusal);
    /// One error of all addresses. The advice is that of a server that answered and is up, if there is one.

private:
    Scope _scope;
    std::string _sqlState;
    std::string _advice;
};

} // namespace HangDetection
