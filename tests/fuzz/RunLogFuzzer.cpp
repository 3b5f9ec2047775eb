// Any texts from the database in what a run reports: each report is one line of the log,
// with the keys that belong to it, and the values are those texts.

#include "Fuzzing.h"
#include "LogRecord.h"
#include "notification/RunLog.h"

#include <Poco/AutoPtr.h>
#include <Poco/Channel.h>
#include <Poco/Logger.h>
#include <Poco/Message.h>
#include <Poco/NotificationCenter.h>

#include <string>
#include <vector>

namespace HangDetection::Test {

namespace {

using Pairs = decltype(LogRecord::pairs);

class LineChannel : public Poco::Channel
/// Keeps the lines that were logged since they were taken last.
{
public:
    void log(const Poco::Message& message) override { _lines.push_back(message.getText()); }

    std::vector<std::string> take() { return std::exchange(_lines, {}); }

private:
    std::vector<std::string> _lines;
};

class Report
/// A run log, and what it makes of a notification.
{
public:
    void requireLine(Poco::Notification* notification, const std::string& event, const Pairs& pairs)
    {
        _center.postNotification(notification);
        const std::vector<std::string> lines = _channel->take();
        require(lines.size() == 1, "a report is one line");
        require(isOneLineOfText(lines.front()), "a line is one line of text");
        require(LogRecord::read(lines.front()) == LogRecord{event, pairs}, "a line holds what was reported");
    }

    void forgetOutage()
    /// A run without an error, so that the next one is told.
    {
        _center.postNotification(new RunFinished(RunStatistics{}));
        _channel->take();
    }

private:
    Poco::AutoPtr<LineChannel> _channel = new LineChannel;
    Poco::Logger& _logger = Poco::Logger::create("fuzzed", _channel, Poco::Message::PRIO_TRACE);
    Poco::NotificationCenter _center;
    RunLog _runLog{_center, _logger};
};

void addUnlessEmpty(Pairs& pairs, const std::string& key, const std::string& value)
{
    if (!value.empty())
        pairs.emplace_back(key, value);
}

} // namespace

void fuzz(std::string_view input)
{
    static Report report;
    std::vector<std::string> texts = partsOf(input, '|');
    texts.resize(6);

    Termination job;
    job.jobId = texts[0];
    job.type = texts[1];
    job.stage = input;
    job.workspaceId = texts[2];
    job.buildNumber = 7;
    job.error = input;
    job.sqlState = texts[3];
    Pairs terminated{{"job_id", job.jobId},
                     {"type", job.type},
                     {"silent_s", "0"},
                     {"threshold_s", "300"},
                     {"stage", job.stage}};
    if (!job.workspaceId.empty()) {
        terminated.emplace_back("workspace_id", job.workspaceId);
        terminated.emplace_back("build_number", "7");
    }
    terminated.emplace_back("state", "none");
    report.requireLine(new JobTerminated(job, std::chrono::seconds(300)), "job terminated", terminated);

    Pairs failed{{"job_id", job.jobId}, {"error", job.error}};
    addUnlessEmpty(failed, "sqlstate", job.sqlState);
    report.requireLine(new JobFailed(job, false), "job not terminated", failed);

    job.outcome = Outcome::locked;
    report.requireLine(new JobSkipped(job), "job skipped", {{"job_id", job.jobId}, {"cause", "locked"}});

    RunStatistics statistics;
    statistics.error = RunError{std::string(input), texts[4], texts[5]};
    Pairs runFailed{{"error", std::string(input)}};
    addUnlessEmpty(runFailed, "sqlstate", texts[4]);
    addUnlessEmpty(runFailed, "advice", texts[5]);
    runFailed.emplace_back("duration_ms", "0");
    report.requireLine(new RunFinished(statistics), "run failed", runFailed);
    report.forgetOutage();
}

} // namespace HangDetection::Test
