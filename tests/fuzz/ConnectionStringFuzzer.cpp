// Any text as a connection string, and any text as a password that somebody wrote into a
// URI: libpq gets what the operator said, and what is refused is not quoted.

#include "Fuzzing.h"
#include "data/ConnectionString.h"
#include "libpq/ConnectionText.h"

#include <map>

namespace HangDetection::Test {

namespace {

using Options = std::map<std::string, std::string>;

std::optional<Options> readByLibpq(const std::string& text)
{
    const Libpq::ConnectionOptions options = Libpq::writtenOptions(text);
    if (!options)
        return std::nullopt;
    Options result;
    for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
        if (option->val != nullptr)
            result[option->keyword] = option->val;
    }
    return result;
}

std::optional<ConnectionString> readByUs(const std::string& text)
{
    try {
        return ConnectionString::parse(text);
    } catch (const ConnectionStringError& error) {
        require(!tellsSecret(error.what()), "an error quotes nothing");
        require(std::string(error.what()).find('\n') == std::string::npos, "an error is one line");
        return std::nullopt;
    }
}

void fuzzText(const std::string& text)
{
    const auto said = readByLibpq(text);
    const auto connection = readByUs(text);
    if (!connection)
        return;
    require(said.has_value(), "what libpq cannot read is refused");
    const auto holds = [&](const char* keyword) {
        return said->contains(keyword) && !said->at(keyword).empty();
    };
    require(connection->hasPassword() == (holds("password") || holds("sslpassword")), "a password is known");
    const auto understood = readByLibpq(connection->secretText());
    require(understood.has_value(), "libpq reads what we made");
    for (const auto& [keyword, value] : *said) {
        const auto found = understood->find(keyword);
        require(found != understood->end(), "nothing is left out");
        require(found->second == (keyword == "client_encoding" ? "SQL_ASCII" : value),
                "a value is passed on as it is");
    }
}

void fuzzPassword(const std::string& password)
/// A part of a password that was taken for a host, a database or an option would be
/// quoted by libpq and by the server.
{
    const std::string begin = "postgresql://detector:";
    const std::string end = "@db.example.org:5432/coder";
    const auto connection = readByUs(begin + password + end);
    if (!connection || password.empty())
        return;
    const auto understood = readByLibpq(connection->secretText());
    require(understood.has_value(), "libpq reads what we made");
    Options rest = *understood;
    rest.erase("password");
    rest.erase("fallback_application_name");
    const Options expected =
        *readByLibpq("client_encoding=SQL_ASCII target_session_attrs=read-write keepalives_idle=30"
                     " keepalives_interval=10 keepalives_count=3 tcp_user_timeout=30000"
                     " user=detector host=db.example.org port=5432 dbname=coder");
    require(rest == expected, "a password is a password and nothing else");
}

} // namespace

void fuzz(std::string_view input)
{
    // A setting has no line ends and no zeros.
    std::string text(input);
    std::erase_if(text, [](char c) { return c == '\0' || c == '\n'; });
    fuzzText(text);
    fuzzPassword(text);
}

} // namespace HangDetection::Test
