#include "OpenTransaction.h"

namespace HangDetection::Test {

OpenTransaction::OpenTransaction(const std::string& connectionString, const std::string& sql)
    : _database(connectionString)
{
    _database.execute("BEGIN");
    _database.execute(sql);
}

OpenTransaction::~OpenTransaction()
{
    try {
        if (_isOpen)
            rollBack();
    } catch (...) {
        // The server rolls back what lost its client.
    }
}

void OpenTransaction::end(const std::string& sql)
{
    _isOpen = false;
    _database.execute(sql);
}

} // namespace HangDetection::Test
