#pragma once

#include <chrono>
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
/// An error of the job database. Its scope decides what happens next. The text is one line from the server or
/// from libpq. Of the connection string it holds only names of hosts, users and databases, and ports.
{
public:
    enum class Scope
    {
        connection, /// there is no usable connection: the run ends, the next run connects again
        database,   /// every job would get it: the run ends, the connection may stay
        job         /// the rows of the statement cause it: other jobs may succeed
    };

    DatabaseError(Scope scope, const std::string& cause, std::string sqlState, std::string advice);

    Scope scope() const noexcept { return _scope; }

    const std::string& sqlState() const noexcept { return _sqlState; }
    /// Five characters, or empty when no server answered.

    const std::string& advice() const noexcept { return _advice; }
    /// What the operator can do about it, or empty.

    bool cannotBeOfOneJob() const;
    /// True when the connection is lost, when the server lacks a resource, or when the statement was
    /// cancelled because the time of the run is over. With any other error the job is at fault, if jobs were
    /// terminated just before.

    bool isOfThisMachine() const;
    /// True when the database is not at fault: this process lacks memory or file descriptors, or a file that
    /// libpq reads is wrong.

    bool isOutcomeUnknown() const { return _scope == Scope::connection || _sqlState.empty(); }
    /// True when the statement may have been committed all the same: the connection ended, or no error of the
    /// server came.

    bool isObjectMissing() const;
    /// True when a table, a column or a privilege of the role is missing.

    DatabaseError afterRunTimeout(std::chrono::seconds runTimeout) const;
    /// What it means when RunTimeout has passed.

    std::string kind() const;
    /// Errors of the same kind are the same news for the operator, even if their texts, or the numbers in
    /// them, differ.

    static DatabaseError fromStatement(const Poco::Exception& exception, bool connectionLost);
    /// The error of a statement, made from the exception that the session threw.

    static DatabaseError fromAnswer(const std::string& nonsense);
    /// The error of an answer that PostgreSQL would not give. The text must quote nothing of it.

    static DatabaseError fromConnecting(const Libpq::ConnectionRefused& refusal);
    /// One error for all addresses. The advice comes from a server that is up and answered, if there is one.

private:
    Scope _scope;
    std::string _sqlState;
    std::string _advice;
};

} // namespace HangDetection
