#include "LibpqSession.h"

#include <libpq-fe.h>

#include <stdexcept>

namespace HangDetection::Test {

Answer::Answer(PGresult* result) : _result(result, &PQclear) {}

int Answer::rows() const
{
    return PQntuples(_result.get());
}

std::string Answer::value(int row, const char* column) const
{
    return PQgetvalue(_result.get(), row, PQfnumber(_result.get(), column));
}

LibpqSession::LibpqSession(const std::string& connectionString)
    : _connection(PQconnectdb(connectionString.c_str()), &PQfinish)
{
    if (PQstatus(_connection.get()) != CONNECTION_OK)
        throw std::runtime_error(PQerrorMessage(_connection.get()));
}

Answer LibpqSession::execute(const std::string& statements)
{
    return checked(PQexec(_connection.get(), statements.c_str()));
}

Answer LibpqSession::ask(const std::string& statement, const std::vector<Parameter>& parameters)
{
    std::vector<const char*> values;
    values.reserve(parameters.size());
    for (const Parameter& parameter : parameters)
        values.push_back(parameter ? parameter->c_str() : nullptr);
    checked(PQprepare(_connection.get(), "", statement.c_str(), 0, nullptr));
    return checked(PQexecPrepared(_connection.get(), "", static_cast<int>(values.size()), values.data(),
                                  nullptr, nullptr, 0));
}

Answer LibpqSession::checked(PGresult* result)
{
    Answer answer(result);
    const auto status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        throw std::runtime_error(PQerrorMessage(_connection.get()));
    return answer;
}

} // namespace HangDetection::Test
