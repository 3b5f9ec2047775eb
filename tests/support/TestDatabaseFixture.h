#pragma once

#include "Eventually.h"
#include "Suite.h"
#include "TestDatabase.h"
#include "Texts.h"

namespace HangDetection::Test {

class TestDatabaseFixture : public CppUnit::TestFixture
/// A fresh job database for each test, and something that works on it.
{
public:
    void setUp() override { _testDatabase.emplace(); }
    void tearDown() override { _testDatabase.reset(); }

protected:
    static Sim::ThrowawayPostgres& server() { return TestDatabase::server(); }

    TestDatabase& testDatabase() { return *_testDatabase; }

    Sim::JobDatabase& database() { return _testDatabase->session(); }
    /// The session of the test itself.

    void reconnect() { _testDatabase->reconnect(); }
    /// A new session of the test itself, when the server was away.

    const std::string& databaseName() const { return _testDatabase->name(); }

    std::string connectionString() const { return _testDatabase->connectionString(); }
    /// Leads to the test's database, for the server's superuser.

    bool isCompleted(const std::string& jobId) { return database().isCompleted(jobId); }

    virtual std::string log() const { return {}; }
    /// Of what works on the database.

    template <typename Condition>
    void await(Condition condition, std::chrono::seconds atMost = patience) const
    /// Fails with the log when the condition does not come to hold.
    {
        if (!eventually(atMost, condition))
            CPPUNIT_FAIL("waited in vain:\n" + log());
    }

    void awaitWaitingFor(const std::string& event)
    /// Until a session of the database waits for this, as TestDatabase knows it.
    {
        await([&] { return testDatabase().isSomebodyWaitingFor(event); });
    }

    static constexpr std::chrono::seconds patience{30};
    /// Long enough for a machine with much else to do; nothing waits for it in vain.

private:
    std::optional<TestDatabase> _testDatabase;
};

} // namespace HangDetection::Test
