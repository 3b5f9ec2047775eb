#pragma once

#include "JobDatabase.h"

#include <optional>
#include <string>
#include <vector>

namespace HangDetection::Test {

class CoderDetector
/// A stand-in for the hang detector of a Coder server that works on the same database:
/// one transaction for each job, statement by statement, as Coder's own does it, and the
/// notification after the commit. Used by one thread.
{
public:
    enum class Lock
    {
        advisory, /// servers before mid-2025
        row       /// later ones
    };

    CoderDetector(const std::string& connectionString, Lock lock);

    void run();
    /// Terminates the hung jobs, ten of them at most, a random choice.

    const std::vector<std::string>& terminated() const { return _terminated; }
    /// The jobs that it has terminated in all runs.

    int locked() const { return _locked; }
    /// How often somebody else held a job's lock.

    int ineligible() const { return _ineligible; }
    /// How often a job was not hung any more under the lock.

private:
    std::vector<std::string> findHungJobs();
    std::optional<std::string> terminateInTransaction(const std::string& job);
    /// The payload of the notification that has to follow; nothing when the job was left alone.

    bool takeLock(const std::string& job);
    bool isStillHung(const std::string& job);
    std::string appendLines(const std::string& job);
    void markFailed(const std::string& job);
    void copyState(const std::string& job);

    Sim::JobDatabase _database;
    const Lock _lock;
    std::vector<std::string> _terminated;
    int _locked = 0;
    int _ineligible = 0;
};

} // namespace HangDetection::Test
