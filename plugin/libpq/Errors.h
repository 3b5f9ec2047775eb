#pragma once

#include <Poco/Data/DataException.h>

#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

namespace Libpq {

class ServerError : public Poco::Data::DataException
/// The server refused a statement.
{
public:
    struct Fields
    /// See "Error and Notice Message Fields" in the PostgreSQL manual. A field that was not sent is empty.
    {
        std::string message;
        std::string sqlState = {};
        std::string detail = {};
        std::string constraint = {};
        std::string routine = {};
    };

    explicit ServerError(Fields fields) : DataException(fields.message), _fields(std::move(fields)) {}

    const Fields& fields() const noexcept { return _fields; }

    const char* name() const noexcept override { return "PostgreSQL server error"; }
    const char* className() const noexcept override { return typeid(*this).name(); }
    Poco::Exception* clone() const override { return new ServerError(*this); }
    void rethrow() const override { throw *this; }

private:
    Fields _fields;
};

class ConnectionRefused : public Poco::Data::ConnectionFailedException
/// Each address that was tried refused the connection or did not answer, or the connection string is wrong.
{
public:
    explicit ConnectionRefused(std::vector<std::string> causes) : _causes(std::move(causes)) {}

    const std::vector<std::string>& causes() const noexcept { return _causes; }
    /// libpq's text for each address, with the server's verbose message. The texts name hosts, ports, users
    /// and databases, but no password.

    const char* className() const noexcept override { return typeid(*this).name(); }
    Poco::Exception* clone() const override { return new ConnectionRefused(*this); }
    void rethrow() const override { throw *this; }

private:
    std::vector<std::string> _causes;
};

} // namespace Libpq
