#pragma once

#include <stdexcept>
#include <string>

namespace Poco {
class Exception;
}

namespace HangDetection {

class RunStopped : public std::runtime_error
/// The run was asked to stop; nothing is wrong.
{
public:
    RunStopped() : std::runtime_error("stopped") {}
};

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

    static DatabaseError fromStatement(const Poco::Exception& exception, bool connectionLost);
    /// The error of a statement, out of what Poco threw for it on a connection with
    /// verbose messages. Poco 1.11 has no SQLSTATE of its own.

    static DatabaseError fromConnecting(const std::string& text);
    /// Why a connection could not be made, out of what libpq says of one with verbose messages.

    static DatabaseError unreachable(const std::string& cause);
    /// There is no connection, and no server has said why.

private:
    Scope _scope;
    std::string _sqlState;
    std::string _advice;
};

} // namespace HangDetection
