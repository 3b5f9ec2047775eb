#include "TestDatabase.h"

#include "CurrentTest.h"
#include "Outage.h"

#include <Poco/Ascii.h>
#include <Poco/Environment.h>

#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

namespace HangDetection::Test {

namespace {

bool isKept()
{
    return Poco::Environment::get("HANG_DETECTOR_KEEP_DATABASE", "") == "1";
}

std::unique_ptr<Sim::ThrowawayPostgres> startServer()
{
    auto server = std::make_unique<Sim::ThrowawayPostgres>();
    if (isKept()) {
        server->keep();
        std::cerr << "PostgreSQL is kept, each test has a database of its name: "
                  << server->connectionString("postgres") << '\n';
    }
    return server;
}

std::string databaseNameFor(const std::string& test)
/// "SearchTest::findsNothing" is search_test_finds_nothing, cut to what PostgreSQL takes.
{
    constexpr std::size_t longest = 63;
    std::string name;
    for (const char c : test) {
        const bool isUpper = Poco::Ascii::isUpper(c);
        if ((isUpper || c == ':') && !name.empty() && name.back() != '_')
            name += '_';
        if (c != ':')
            name += static_cast<char>(Poco::Ascii::toLower(c));
    }
    return name.substr(0, longest);
}

} // namespace

TestDatabase::TestDatabase() : _name(databaseNameFor(CurrentTest::name()))
{
    server().createDatabase(_name);
    reconnect();
}

TestDatabase::~TestDatabase()
{
    _session.reset();
    if (isKept())
        return;
    try {
        Sim::JobDatabase(server().connectionString("postgres"))
            .execute("DROP DATABASE " + _name + " WITH (FORCE)");
    } catch (const std::exception& exception) {
        std::cerr << "the database " << _name << " stays: " << exception.what() << '\n';
    }
}

Sim::ThrowawayPostgres& TestDatabase::server()
{
    static const std::unique_ptr<Sim::ThrowawayPostgres> server = startServer();
    return *server;
}

std::string TestDatabase::connectionString() const
{
    return server().connectionString(_name);
}

void TestDatabase::reconnect()
{
    _session.reset();
    _session.emplace(connectionString());
    _session->execute("SET client_min_messages = warning");
}

void TestDatabase::requirePasswordOf(const std::string& role)
{
    // In front of the file's lines, as the first match counts.
    const auto file = server().directory() / "data/pg_hba.conf";
    std::ifstream reader(file);
    const std::string lines{std::istreambuf_iterator<char>(reader), {}};
    std::ofstream(file) << "local all " << role << " scram-sha-256\n" << lines;
    Outage(server()).end();
    reconnect();
}

} // namespace HangDetection::Test
