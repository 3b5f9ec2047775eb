// Any text in a server's error of a statement, and in what libpq says of a connection that it
// could not make. What is told of a connection is the line that the server wrote behind a
// SQLSTATE, with what libpq wrote in front of it, or all that libpq wrote.

#include "Fuzzing.h"
#include "LogRecord.h"
#include "data/DatabaseError.h"
#include "libpq/Errors.h"
#include "notification/LogLine.h"

#include <Poco/Ascii.h>
#include <Poco/String.h>

namespace HangDetection::Test {

namespace {

using Scope = DatabaseError::Scope;

void requireForm(const DatabaseError& error)
{
    const std::string text = error.what();
    const std::string& state = error.sqlState();
    require(text.find('\n') == std::string::npos, "an error is one line");
    require(isOneLineOfText(LogLine("run failed").add("error", text).text()), "it is one in the log, too");
    require(!tellsSecret(error.advice()), "an advice quotes nothing");
    const bool isSqlState =
        state.size() == 5 &&
        state.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos;
    require(state.empty() || isSqlState, "a SQLSTATE is five digits or capital letters");
}

std::string withoutBlanks(std::string text)
{
    std::erase_if(text, [](char c) { return Poco::Ascii::isSpace(c); });
    return text;
}

void requireWords(const DatabaseError& error, const std::string& words)
{
    const std::string mark = "...[cut]";
    std::string told = error.what();
    const bool isCut = told.size() > longestText - 4 && told.ends_with(mark);
    if (isCut)
        told.erase(told.size() - mark.size());
    const std::string expected = withoutBlanks(words);
    require(isCut ? expected.starts_with(withoutBlanks(told)) : expected == withoutBlanks(told),
            "the words are those of libpq and the server");
}

std::string firstLineOf(const std::string& message)
/// Of those that are not empty.
{
    const std::string words = Poco::trim(message);
    return words.empty() ? "the server gives no reason" : words.substr(0, words.find('\n'));
}

void fuzzStatement(const std::string& message)
{
    const Libpq::ServerError answer({.message = message, .sqlState = "P0001"});
    const DatabaseError error = DatabaseError::fromStatement(answer, false);
    requireForm(error);
    requireWords(error, firstLineOf(message));
}

DatabaseError errorOf(const std::string& text)
{
    return DatabaseError::fromConnecting(Libpq::ConnectionRefused({text}));
}

void fuzzConnecting(const std::string& message)
{
    const DatabaseError error = errorOf(message);
    requireForm(error);
    require(error.scope() == Scope::connection, "there is no connection");
    require(!error.advice().empty(), "there is an advice in any case");
    if (error.sqlState().empty()) {
        requireWords(error, withoutBlanks(message).empty() ? "libpq gives no reason" : message);
        return;
    }
    const std::string sign = ":  " + error.sqlState() + ": ";
    const auto at = message.find(sign);
    require(at != std::string::npos, "a SQLSTATE is in the message");
    const auto line = message.substr(0, at).rfind('\n') + 1;
    requireWords(error,
                 message.substr(line, at - line) + ": " + firstLineOf(message.substr(at + sign.size())));
}

void fuzzRefusal(const std::string& reason)
{
    const std::string server = "connection to server at \"db.example.org\" (::1), port 5432 failed: FATAL: ";
    const DatabaseError error = errorOf(server + " 53300: " + reason);
    require(error.sqlState() == "53300", "the SQLSTATE is the server's");
    requireWords(error, server + firstLineOf(reason));
}

} // namespace

void fuzz(std::string_view input)
{
    const std::string text = std::string(input).c_str(); // a zero ends what libpq says
    fuzzStatement(text);
    fuzzConnecting(text);
    fuzzRefusal(text);
}

} // namespace HangDetection::Test
