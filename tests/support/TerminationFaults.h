#pragma once

#include "JobDatabase.h"

// What a database does, from then on, to a statement that terminates a job.

namespace HangDetection::Test {

void refuse(Sim::JobDatabase& database, const std::string& jobId,
            const std::string& by = "RAISE EXCEPTION 'this job is refused'");
/// Does this, in PL/pgSQL, when the job is updated. Raises an exception (P0001) by default.

void refuseNoMore(Sim::JobDatabase& database);
/// Any job.

void endSessionsThatTerminate(Sim::JobDatabase& database);
/// Ends each session in the middle of a termination.

void endSessionsNoMore(Sim::JobDatabase& database);

void slowDownTerminations(Sim::JobDatabase& database, const std::string& each = "STATEMENT",
                          const std::string& seconds = "60", const std::string& application = "%");
/// Each statement, or each ROW, sleeps for so long, in sessions whose application_name is like this. A
/// statement sleeps also when somebody else holds the jobs, and maybe before it locks them.

void slowDownTerminationsNoMore(Sim::JobDatabase& database);

void holdTerminations(Sim::JobDatabase& database);
/// Each waits, in PgSleep, and looks now and then whether that is over.

void holdTerminationsNoMore(Sim::JobDatabase& database);

} // namespace HangDetection::Test
