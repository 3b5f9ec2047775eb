#pragma once

#include "LibpqSession.h"

namespace HangDetection::Test {

class CoderDetector
/// A stand-in for the hang detector of a Coder server that works on the same database, and as it
/// does it: the same statements in the same order, one transaction for each job, and the
/// notification after it. Seven to ten statements for a job, of which the larger number is for a
/// workspace build whose state has to be copied; one more in servers before mid-2025, whose lock
/// is a statement. Used by one thread.
{
public:
    enum class Era
    {
        year2023, /// servers before mid-2025: all hung jobs are fetched, an advisory lock
        year2026  /// later ones, called the reaper: also pending jobs, the row's own lock
    };

    CoderDetector(const std::string& connectionString, Era era, int mostJobs = 10);

    void run();
    /// Terminates the hung jobs, so many of them at most, a random choice.

    const std::vector<std::string>& terminated() const { return _terminated; }
    /// The jobs that it has terminated in all runs.

    int locked() const { return _locked; }
    /// How often somebody else held a job's lock.

    int ineligible() const { return _ineligible; }
    /// How often a job was not hung any more under the lock.

private:
    std::vector<std::string> findHungJobs();
    void terminate(const std::string& job);
    bool takeLock(const std::string& job);
    Answer getJob(const std::string& job);
    std::string appendLines(const std::string& job, const std::string& line);
    void markFailed(const std::string& job, const std::string& error, const std::string& startedAt);
    void copyState(const std::string& job);

    LibpqSession _session;
    const Era _era;
    const int _mostJobs;
    std::vector<std::string> _terminated;
    int _locked = 0;
    int _ineligible = 0;
};

} // namespace HangDetection::Test
