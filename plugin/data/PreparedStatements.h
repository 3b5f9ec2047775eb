#pragma once

#include "Statements.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

struct pg_conn;

namespace HangDetection {

class PreparedStatements
/// The statements that the server has parsed and planned for a connection. Poco has that done for
/// each execution anew, which takes longer than to terminate ten jobs. So Poco executes EXECUTE,
/// whose parameters cannot be bound and are written out. Used by one thread.
{
public:
    using Clock = std::chrono::steady_clock;

    using Argument = std::variant<std::int64_t, std::string>;
    /// A number, or the text of a value that PostgreSQL reads as what its parameter is.

    std::string execution(pg_conn* connection, const Statement& statement,
                          const std::vector<Argument>& arguments, Clock::time_point now);
    /// What executes the statement, one of Statements, with these arguments on the connection, on
    /// which it is prepared if it was not yet. Throws Poco::Data::PostgreSQL::StatementException,
    /// as Poco does.

    static constexpr std::chrono::hours planAge{1};
    /// A plan gets so old at most. One that was made while the tables were small does not fit when
    /// they are large, and where no autovacuum looks after them nobody else tells the server.

    void forget() noexcept { _prepared.clear(); }
    /// What follows is about another connection.

private:
    void prepare(pg_conn* connection, const Statement& statement);

    Clock::time_point _plannedSince;
    std::vector<const Statement*> _prepared;
};

} // namespace HangDetection
