#include "PreparedStatements.h"

#include <Poco/Data/PostgreSQL/PostgreSQLException.h>
#include <libpq-fe.h>

#include <algorithm>
#include <memory>

namespace HangDetection {

namespace {

using Poco::Data::PostgreSQL::StatementException;

void check(pg_conn* connection, PGresult* answer)
/// Takes over the answer to a command.
{
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(answer, &PQclear);
    if (PQresultStatus(answer) != PGRES_COMMAND_OK)
        throw StatementException(PQerrorMessage(connection));
}

std::string quoted(pg_conn* connection, const std::string& text)
{
    const std::unique_ptr<char, decltype(&PQfreemem)> literal(
        PQescapeLiteral(connection, text.data(), text.size()), &PQfreemem);
    if (!literal)
        throw StatementException(PQerrorMessage(connection));
    return literal.get();
}

std::string literalOf(pg_conn* connection, const PreparedStatements::Argument& argument)
{
    if (const auto* const number = std::get_if<std::int64_t>(&argument))
        return std::to_string(*number);
    return quoted(connection, std::get<std::string>(argument));
}

} // namespace

std::string PreparedStatements::execution(pg_conn* connection, const Statement& statement,
                                          const std::vector<Argument>& arguments, Clock::time_point now)
{
    if (_prepared.empty()) {
        _plannedSince = now;
    } else if (now - _plannedSince >= planAge) {
        check(connection, PQexec(connection, "DISCARD PLANS"));
        _plannedSince = now;
    }
    if (std::ranges::find(_prepared, &statement) == _prepared.end())
        prepare(connection, statement);
    std::string text;
    for (const Argument& argument : arguments)
        text += (text.empty() ? " (" : ", ") + literalOf(connection, argument);
    return std::string("EXECUTE ") + statement.name + text + (text.empty() ? "" : ")");
}

void PreparedStatements::prepare(pg_conn* connection, const Statement& statement)
{
    check(connection, PQprepare(connection, statement.name, statement.text, 0, nullptr));
    _prepared.push_back(&statement);
}

} // namespace HangDetection
