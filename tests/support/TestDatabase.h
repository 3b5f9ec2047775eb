#pragma once

#include "JobDatabase.h"
#include "ThrowawayPostgres.h"

#include <optional>
#include <string>

namespace HangDetection::Test {

class TestDatabase
/// A fresh job database, named after the test that runs, on a server that all tests of
/// the program share and that the first of them starts. It is dropped with the object.
/// With HANG_DETECTOR_KEEP_DATABASE=1 in the environment it stays, and the server keeps
/// running.
{
public:
    TestDatabase();
    ~TestDatabase();

    TestDatabase(const TestDatabase&) = delete;
    TestDatabase& operator=(const TestDatabase&) = delete;

    static Sim::ThrowawayPostgres& server();

    const std::string& name() const { return _name; }

    std::string connectionString() const;
    /// Leads to the database, for the server's superuser.

    Sim::JobDatabase& session() { return *_session; }
    /// The session of the test itself.

    void reconnect();
    /// A new session of the test itself, when the server was away.

    void requirePasswordOf(const std::string& role);
    /// From now on the server asks this role for its password. Starts it anew.

private:
    const std::string _name;
    std::optional<Sim::JobDatabase> _session;
};

} // namespace HangDetection::Test
