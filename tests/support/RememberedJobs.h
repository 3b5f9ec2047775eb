#pragma once

#include "JobDatabase.h"
#include "NotificationListener.h"

#include <chrono>
#include <optional>
#include <set>
#include <string>

namespace HangDetection::Test {

struct ExpectedTermination
{
    std::chrono::seconds threshold{300};
    std::string minutes = "5";
    /// Those of the threshold, as the texts of a termination name them.
    std::string reason = "hung";
    /// Or "pending", for jobs that were never started.
    std::string changedByWorkers = "{}";
    /// Columns of provisioner_jobs, as an array of PostgreSQL, that somebody else changes
    /// meanwhile; they tell nothing.
};

class RememberedJobs
/// Tells of every job that it remembers whether it was terminated completely and exactly
/// once, or not touched at all. Whatever is between the two fails the test. Has sessions of
/// its own in the database of a test, and follows the logs of all jobs; used by one thread.
{
public:
    explicit RememberedJobs(std::string connectionString, const ExpectedTermination& expected = {});

    Sim::JobDatabase& session() { return *_database; }
    /// In a transaction of this one, rows can be changed and remembered at once.

    void remember();
    /// The jobs that were added since the last time, with their builds and logs as they are now.

    void expectNoneInBetween();
    /// One look at all jobs: each is as it was, or completely terminated. Those that have been
    /// seen to be terminated before are left to terminatedCompletely.

    void expectNotified();
    /// Whoever follows the log of a job that has been terminated was notified exactly once,
    /// and nobody of any other job. Detectors may be at work.

    std::set<std::string> terminatedCompletely();
    /// The ids of the jobs that were terminated. All that is expected holds, and nothing has
    /// happened to any of them since. To be called when nobody is at work on the jobs.

    void reconnect();
    /// The server crashed after the last expectNotified. Nobody can know who was notified of
    /// what was committed since then, so these may lack their notification.

    int notNotified() const { return _notNotified; }
    /// How many terminations lack it.

private:
    using Lines = std::multiset<std::string>;

    static const char* const sql;
    /// The text of remembered_jobs.sql.

    void connect();
    void follow(const Lines& jobs);
    Lines due();
    bool receive(std::chrono::milliseconds atMost);
    Lines lines(const std::string& query);

    const std::string _connectionString;
    std::optional<Sim::JobDatabase> _database;
    std::optional<Sim::NotificationListener> _listener;
    Lines _received;
    /// Each as "job payload", with those that a crash has taken away.
    int _notNotified = 0;
};

} // namespace HangDetection::Test
