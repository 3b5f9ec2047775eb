#pragma once

#include "JobDatabase.h"

namespace HangDetection::Test {

class OpenTransaction
/// Another client of the database, in the middle of a transaction. Rolls it back when
/// nobody has ended it before.
{
public:
    OpenTransaction(const std::string& connectionString, const std::string& sql) : _database(connectionString)
    /// Connects, begins and executes a first statement.
    {
        _database.execute("BEGIN");
        _database.execute(sql);
    }

    ~OpenTransaction()
    {
        try {
            if (_isOpen)
                rollBack();
        } catch (...) {
            // The server rolls back what lost its client.
        }
    }

    OpenTransaction(const OpenTransaction&) = delete;
    OpenTransaction& operator=(const OpenTransaction&) = delete;

    void execute(const std::string& sql) { _database.execute(sql); }

    void commit() { end("COMMIT"); }

    void rollBack() { end("ROLLBACK"); }

private:
    void end(const std::string& sql)
    {
        _isOpen = false;
        _database.execute(sql);
    }

    Sim::JobDatabase _database;
    bool _isOpen = true;
};

} // namespace HangDetection::Test
