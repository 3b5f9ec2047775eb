#pragma once

#include "Command.h"
#include "NotificationListener.h"
#include "PostedNotifications.h"
#include "Printing.h"
#include "TestDatabaseFixture.h"
#include "detection/HangDetector.h"

#include <future>
#include <type_traits>

namespace HangDetection::Test {

using Text = std::optional<std::string>;
/// A column as text; nothing when it is null.

class DatabaseFixture : public TestDatabaseFixture
/// A fresh job database for each test, and a detector on it, whose role may do no more
/// than packaging/sql/role.sql allows.
{
public:
    void setUp() override;
    void tearDown() override;
    /// Whatever holds a run has to be released before.

protected:
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

    static void migrateTo2026(Sim::JobDatabase& database);
    /// Makes of the tables of 2023 those of a Coder deployment of 2026: jobs have a generated status and
    /// the length of their log, and a view of the builds does not show their state.

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

    void duringTermination(const std::string& statements);
    /// Does this, in PL/pgSQL, in the session that terminates a job, before the job's row is updated.

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

    void startRun();
    /// A run like that of tryRun, in a thread of its own.

    void requestStop() { _stop.request_stop(); }
    /// Of the runs that are started.

    void forgetStop() { _stop = {}; }
    /// The next run is not stopped.

    RunStatistics endOfRun();
    /// Does not wait for ever, so that a run that nothing ends fails its test.

    static constexpr const char* lockOnTheJobs = "LOCK TABLE provisioner_jobs IN ACCESS EXCLUSIVE MODE";
    /// A statement that lets each run wait.

    void runWithASlowSearch();
    /// One that takes so long that the detector asks itself whether an index is missing, which it does
    /// once an hour.

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
    Settings _settings;
    std::optional<Poco::NotificationCenter> _notifications;
    std::optional<PostedNotifications> _posted;
    std::unique_ptr<Scheduler> _slurm;
    std::optional<HangDetector> _detector;
    std::future<RunStatistics> _running;
    std::stop_source _stop;
};

} // namespace HangDetection::Test
