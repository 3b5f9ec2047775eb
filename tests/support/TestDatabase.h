#pragma once

#include "JobDatabase.h"
#include "ThrowawayPostgres.h"

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

    bool isSomebodyWaitingFor(const std::string& event);
    /// Whether a session of the database waits for this, a wait event or a type of
    /// them (PostgreSQL manual, "pg_stat_activity"), such as PgSleep or Lock.

    bool hasSessionOf(const std::string& application);
    /// Whether somebody with this application_name is connected to the database.

private:
    const std::string _name;
    std::optional<Sim::JobDatabase> _session;
};

} // namespace HangDetection::Test
