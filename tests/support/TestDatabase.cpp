#include "TestDatabase.h"

#include "CurrentTest.h"

#include <Poco/Environment.h>

#include <exception>
#include <iostream>
#include <memory>
#include <regex>

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
/// "NamesTest::namesWhatThereIs" is names_test_names_what_there_is, cut to what PostgreSQL takes.
{
    constexpr std::size_t longest = 63;
    static const std::regex wordStart(R"(::|\B(?=[A-Z]))");
    return Poco::toLower(std::regex_replace(test, wordStart, "_")).substr(0, longest);
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

bool TestDatabase::isSomebodyWaitingFor(const std::string& event)
{
    return _session->isTrue("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
                            " AND $1 IN (wait_event_type, wait_event))",
                            event);
}

bool TestDatabase::hasSessionOf(const std::string& application)
{
    return _session->isTrue("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
                            " AND application_name = $1)",
                            application);
}

} // namespace HangDetection::Test
