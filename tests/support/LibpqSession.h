#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

struct pg_conn;
struct pg_result;

namespace HangDetection::Test {

class Answer
/// The rows of one statement. Values are as PostgreSQL writes them.
{
public:
    explicit Answer(pg_result* result);

    int rows() const;

    std::string value(int row, const char* column) const;
    /// Empty when it is null.

private:
    std::unique_ptr<pg_result, void (*)(pg_result*)> _result;
};

class LibpqSession
/// A connection with nothing between it and libpq. Every error is a std::runtime_error.
{
public:
    using Parameter = std::optional<std::string>;

    explicit LibpqSession(const std::string& connectionString);

    Answer execute(const std::string& statements);
    /// One round trip, however many statements there are.

    Answer ask(const std::string& statement, const std::vector<Parameter>& parameters);
    /// Two round trips, as Go's lib/pq takes for a statement with parameters: to have it
    /// parsed, and to have it executed.

private:
    Answer checked(pg_result* result);

    std::unique_ptr<pg_conn, void (*)(pg_conn*)> _connection;
};

} // namespace HangDetection::Test
