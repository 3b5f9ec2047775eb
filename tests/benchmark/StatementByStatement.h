#pragma once

#include "Contender.h"
#include "LibpqSession.h"

#include <string>
#include <vector>

namespace HangDetection::Benchmark {

class StatementByStatement : public Contender
/// The work as the detector in a Coder server does it: the same statements in the same
/// order, one transaction for each job, and the notification after it. Seven to ten
/// statements for a job, of which the larger number is for a workspace build whose state
/// has to be copied; one more in servers before mid-2025, whose lock is a statement.
{
public:
    enum class Era
    {
        year2023, /// servers before mid-2025: all hung jobs are fetched, an advisory lock
        year2026  /// later ones: as many as are wanted, the row's own lock
    };

    StatementByStatement(const std::string& connectionString, Era era, int mostJobs);

    int run() override;

private:
    std::vector<std::string> findHungJobs();
    bool terminate(const std::string& job);
    bool takeLock(const std::string& job);
    Answer getJob(const std::string& job);
    std::string appendLines(const std::string& job);
    void markFailed(const std::string& job, const std::string& startedAt);
    void copyState(const std::string& job);

    LibpqSession _session;
    const Era _era;
    const int _mostJobs;
};

} // namespace HangDetection::Benchmark
