#pragma once

#include "JobDatabase.h"

#include <string>

namespace HangDetection::Test {

class OpenTransaction
/// Another client of the database, in the middle of a transaction. Ends it with a
/// rollback when nobody did before.
{
public:
    explicit OpenTransaction(const std::string& connectionString, const std::string& sql);
    /// Connects, begins and executes a first statement.

    ~OpenTransaction();

    OpenTransaction(const OpenTransaction&) = delete;
    OpenTransaction& operator=(const OpenTransaction&) = delete;

    void execute(const std::string& sql) { _database.execute(sql); }

    void commit() { end("COMMIT"); }

    void rollBack() { end("ROLLBACK"); }

private:
    void end(const std::string& sql);

    Sim::JobDatabase _database;
    bool _isOpen = true;
};

} // namespace HangDetection::Test
