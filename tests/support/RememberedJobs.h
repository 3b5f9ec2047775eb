#pragma once

#include "ContractCheck.h"
#include "NotificationListener.h"

namespace HangDetection::Test {

class RememberedJobs
/// Asserts of every job that it remembers that it was terminated completely and exactly once, or
/// not touched at all, as ContractCheck.h sees it. Has sessions of its own in the database of a test,
/// and follows the logs of all jobs; used by one thread.
{
public:
    explicit RememberedJobs(std::string connectionString,
                            const Sim::ContractTerms& terms = {.detectors = {"hang detector", "the reaper"}});
    /// Coder's own detectors may be at work as well, unless the terms say otherwise.

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
    using Lines = std::set<std::string>;
    using PayloadByJob = std::map<std::string, std::string>;

    void connect();
    void follow(const Lines& jobs);
    PayloadByJob due();
    bool receive(std::chrono::milliseconds atMost);
    Lines lines(const std::string& query);

    const std::string _connectionString;
    std::optional<Sim::JobDatabase> _database;
    std::optional<Sim::NotificationListener> _listener;
    Sim::NotificationsByJob _received;
    /// With those that a crash has taken away.
    int _notNotified = 0;
};

} // namespace HangDetection::Test
