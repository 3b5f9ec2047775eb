// Any text in what Poco throws for a statement: what is told of it is the line that the
// server wrote behind a SQLSTATE, or nothing of it at all.

#include "Fuzzing.h"
#include "data/DatabaseError.h"

#include <Poco/Data/PostgreSQL/PostgreSQLException.h>

#include <algorithm>
#include <string>

namespace HangDetection::Test {

void fuzz(std::string_view input)
{
    const Poco::Data::PostgreSQL::StatementException exception{std::string(input)};
    for (const bool connectionLost : {false, true}) {
        const DatabaseError error = DatabaseError::fromStatement(exception, connectionLost);
        const std::string text = error.what();
        const std::string& state = error.sqlState();
        require(text.find('\n') == std::string::npos, "an error is one line");
        require(!tellsSecret(error.advice()), "an advice quotes nothing");
        if (connectionLost)
            require(error.scope() == DatabaseError::Scope::connection, "a lost connection is given up");
        if (state.empty()) {
            require(!text.empty(), "there is a text in any case");
            require(!tellsSecret(text), "what is not from the server is not quoted");
            continue;
        }
        require(state.size() == 5 &&
                    std::all_of(state.begin(), state.end(),
                                [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); }),
                "a SQLSTATE is five digits or capital letters");
        require(exception.message().find(":  " + state + ": " + text) != std::string::npos,
                "the text is what follows the SQLSTATE");
    }
}

} // namespace HangDetection::Test
