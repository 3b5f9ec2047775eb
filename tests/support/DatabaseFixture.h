#pragma once

#include "Command.h"
#include "NotificationListener.h"
#include "PostedNotifications.h"
#include "Printing.h"
#include "Settings.h"
#include "TestDatabase.h"
#include "detection/HangDetector.h"

#include <Poco/NotificationCenter.h>
#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace HangDetection::Test {

using Text = std::optional<std::string>;
/// A column as text; nothing when it is null.

class DatabaseFixture : public CppUnit::TestFixture
/// A fresh job database for each test, and a detector on it, whose role may do no more
/// than packaging/sql/role.sql allows.
{
public:
    void setUp() override;
    void tearDown() override;

protected:
    static Sim::ThrowawayPostgres& server() { return TestDatabase::server(); }

    const std::string& databaseName() const { return _testDatabase->name(); }

    std::string connectionString(const std::string& role = "postgres") const;
    /// Leads to the test's database. Holds a password, which nobody may see.

    void createRole(const std::string& role);
    /// A new role that may log in, and nothing else.

    static std::string runScript(const std::string& name, const std::string& connectionString,
                                 const Sim::CommandLine& options = {});
    /// One of packaging/sql, with psql, as an operator does who is a superuser there. Returns what
    /// was printed.

    std::string applyRoleScript(const std::string& role = detectorRole)
    /// role.sql, for an operator who wants this role for the detector.
    {
        return applyRoleScriptTo(connectionString(), role);
    }

    static std::string applyRoleScriptTo(const std::string& connectionString,
                                         const std::string& role = detectorRole);
    /// The same in another database.

    static constexpr const char* detectorRole = "hang_detector";

    TestDatabase& testDatabase() { return *_testDatabase; }

    Sim::JobDatabase& database() { return _testDatabase->session(); }
    /// The session of the test itself.

    void reconnect() { _testDatabase->reconnect(); }
    /// A new session of the test itself, when the server was away.

    std::string addHungJob() { return database().addJob(); }

    std::vector<std::string> addHungJobs(int count);

    std::string addFinishedBuild(const std::string& workspaceId, int buildNumber, const Text& state);
    std::string addHungBuild(const std::string& workspaceId, int buildNumber,
                             const Text& state = std::nullopt);
    /// Return the id of the job.

    Text jobRow(const std::string& jobId);
    /// Every column of the row.

    Text jobColumn(const std::string& jobId, const std::string& column);
    Text buildColumn(const std::string& jobId, const std::string& column);

    Text buildState(const std::string& jobId);
    /// The provisioner state as text.

    bool isCompleted(const std::string& jobId) { return jobColumn(jobId, "completed_at").has_value(); }

    void duringTermination(const std::string& statements);
    /// Does this, in PL/pgSQL, in the session that terminates a job, before the job's row is updated.

    void awaitWaitingForLock();
    /// Returns when some session of the database waits for a lock.

    Settings& settings() { return _settings; }
    /// Of the detector; to be changed before its first run.

    void useSlurm(std::unique_ptr<Scheduler> slurm) { _slurm = std::move(slurm); }
    /// For the next detector that is made.

    HangDetector& detector();

    RunStatistics run();
    /// One run that must end without an error. It forgets what earlier ones saw: tests make rows with
    /// times of the past, which looks as if a clock were behind.

    RunStatistics tryRun(const std::stop_token& stop = {});
    /// One run, however it ends.

    void expectError(const std::string& cause, const std::string& sqlState, const std::string& advice);
    /// One run that must end with an error. Cause and advice are parts of the texts.

    Text backendOfDetector();
    /// The id of the process that serves the detector's session; nothing without one.

    Text endSessionOfDetector();
    /// How many sessions were ended. Returns when they are gone.

    void forgetDetector() { _detector.reset(); }
    /// The next run is that of a new detector, which connects anew.

    const PostedNotifications& posted() const { return *_posted; }
    /// What the detector posted.

    void connectDetector() { run(); }
    /// Makes the detector's connection before there is any job. What a test counts in
    /// seconds is not blurred by connecting then, and the connection is an old one.

    static constexpr std::chrono::seconds patience{20};
    /// Long enough for a machine with much else to do; nothing waits for it in vain.

    void startOver();
    /// For the next row of a table: a fresh database, as after setUp().

    template <typename Value>
    void change(Value Settings::*setting, std::type_identity_t<Value> value)
    /// One setting of the detector, from its next run on.
    {
        Settings changed = detector().settings();
        changed.*setting = value;
        detector().use(std::move(changed));
    }

private:
    std::optional<TestDatabase> _testDatabase;
    Settings _settings;
    std::optional<Poco::NotificationCenter> _notifications;
    std::optional<PostedNotifications> _posted;
    std::unique_ptr<Scheduler> _slurm;
    std::optional<HangDetector> _detector;
};

} // namespace HangDetection::Test
