// Any texts in the errors that a run reports: each report is one line of the log, with the
// keys that belong to it, and the values are those texts.

#include "Fuzzing.h"
#include "Report.h"

namespace HangDetection::Test {

void fuzz(std::string_view input)
{
    static Report report;
    std::vector<std::string> texts = partsOf(input, '|');
    texts.resize(4);

    Termination job;
    job.jobId = texts[0];
    job.error = input;
    job.sqlState = texts[1];
    Pairs jobFailed{{"job_id", job.jobId}, {"error", job.error}};
    addUnlessEmpty(jobFailed, "sqlstate", job.sqlState);
    report.requireLine(new JobFailed(job, false), "job not terminated", jobFailed);

    RunStatistics statistics;
    statistics.error = RunError{std::string(input), texts[2], texts[3]};
    Pairs runFailed{{"error", std::string(input)}};
    addUnlessEmpty(runFailed, "sqlstate", texts[2]);
    addUnlessEmpty(runFailed, "advice", texts[3]);
    runFailed.emplace_back("duration_ms", "0");
    report.requireLine(new RunFinished(statistics), "run failed", runFailed);
    report.forgetOutage();
}

} // namespace HangDetection::Test
