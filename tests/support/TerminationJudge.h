#pragma once

#include "JobDatabase.h"
#include "NotificationListener.h"

#include <set>
#include <string>

namespace HangDetection::Test {

class TerminationJudge
/// Tells, for every job of a database, whether it was terminated completely and exactly
/// once, or not touched at all. Whatever is between the two fails the test. Used by one
/// thread.
{
public:
    struct Expectation
    {
        std::string minutes = "5";
        /// Those of the threshold, as the texts of a termination name them.
        std::string changedByWorkers = "{}";
        /// Columns of provisioner_jobs, as an array of PostgreSQL, that somebody else
        /// changes meanwhile; they tell nothing.
    };

    TerminationJudge(Sim::JobDatabase& database, const std::string& connectionString,
                     const Expectation& expectation);
    /// Remembers jobs, builds and logs as they are now, and follows the logs of all jobs.
    /// There has to be a job.

    std::set<std::string> terminated();
    /// The ids of the jobs that were terminated since: marked failed with the reason, five
    /// lines in the log, the state copied where it has to be, and one notification with the
    /// right payload. All others have to be as they were. To be called when nobody is at
    /// work on the jobs; may be called again.

private:
    void receive();

    Sim::JobDatabase& _database;
    Sim::NotificationListener _listener;
};

} // namespace HangDetection::Test
