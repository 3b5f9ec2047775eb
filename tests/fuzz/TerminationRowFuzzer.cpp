// Any texts and numbers in a row of terminate_jobs.sql: it gives a termination with exactly
// these, which is one line of the log, or is refused for its outcome, its state or its
// reason, which are not quoted then.

#include "Fuzzing.h"
#include "Report.h"
#include "data/TerminationRow.h"

#include <Poco/Exception.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace HangDetection::Test {

namespace {

using Names = std::vector<std::string>;

// What the SQL statement writes.
const Names outcomes{"terminated", "locked",   "missing",  "not_started",
                     "completed",  "reported", "no_build", "not_updated"};
const Names buildStates{"none", "kept", "copied"};
const Names reasons{"hung", "pending"};

bool isOneOf(const Names& names, const std::string& name)
{
    return std::ranges::count(names, name) > 0;
}

std::int64_t numberFrom(std::string bytes)
/// Any number that a column can hold.
{
    std::int64_t number = 0;
    bytes.resize(sizeof number);
    std::memcpy(&number, bytes.data(), sizeof number);
    return number;
}

void requireSame(const Termination& job, const TerminationRow& row)
{
    require(job.jobId == row.get<0>() && job.type == row.get<2>() && job.silent.count() == row.get<3>() &&
                job.stage == row.get<4>() && job.workspaceId == row.get<5>() &&
                job.buildNumber == row.get<6>() && job.updatedAt.count() == row.get<9>() &&
                job.workspace == row.get<10>() && job.owner == row.get<11>() &&
                job.templateName == row.get<12>(),
            "a termination holds what is in the row");
    require(job.sqlState.empty(), "what was answered is no error of the database");
}

Pairs pairsOf(const TerminationRow& row)
{
    Pairs pairs{{"job_id", row.get<0>()}, {"reason", row.get<8>()},
                {"type", row.get<2>()},   {"silent_s", std::to_string(row.get<3>())},
                {"threshold_s", "300"},   {"stage", row.get<4>()}};
    if (!row.get<5>().empty()) {
        pairs.emplace_back("workspace_id", row.get<5>());
        pairs.emplace_back("build_number", std::to_string(row.get<6>()));
    }
    pairs.emplace_back("state", row.get<7>());
    addUnlessEmpty(pairs, "workspace", row.get<10>());
    addUnlessEmpty(pairs, "owner", row.get<11>());
    addUnlessEmpty(pairs, "template", row.get<12>());
    return pairs;
}

void requireLine(const Termination& job, const TerminationRow& row)
/// The names of outcome and state are the same in the statement and in the log.
{
    static Report report;
    const std::string& outcome = row.get<1>();
    if (outcome == "terminated") {
        require(job.outcome == Outcome::terminated, "a job that was terminated is");
        report.requireLine(new JobTerminated(job, std::chrono::seconds(300)), "job terminated", pairsOf(row));
        report.requireLine(new JobWouldBeTerminated(job, std::chrono::seconds(300)), "would terminate",
                           pairsOf(row));
    } else if (outcome == "no_build" || outcome == "not_updated") {
        require(job.outcome == Outcome::failed, "a job that cannot be terminated is an error");
        require(!job.error.empty() && !tellsSecret(job.error), "it says what is wrong and quotes nothing");
        report.requireLine(new JobFailed(job, false), "job not terminated",
                           {{"job_id", job.jobId}, {"error", job.error}});
    } else {
        report.requireLine(new JobSkipped(job), "job skipped", {{"job_id", job.jobId}, {"cause", outcome}});
    }
}

void fuzzRow(const TerminationRow& row)
{
    const bool isKnown = isOneOf(outcomes, row.get<1>()) && isOneOf(buildStates, row.get<7>()) &&
                         isOneOf(reasons, row.get<8>());
    try {
        const Termination job = answerFrom(row);
        require(isKnown, "a row is refused for its outcome, its state or its reason");
        requireSame(job, row);
        requireLine(job, row);
    } catch (const Poco::DataFormatException& exception) {
        require(!isKnown, "a row is refused for nothing else");
        require(!tellsSecret(exception.displayText()), "a refusal quotes nothing");
    }
}

} // namespace

void fuzz(std::string_view input)
{
    std::vector<std::string> texts = partsOf(input, '|');
    texts.resize(13);
    TerminationRow row(texts[0], texts[1], texts[2], numberFrom(texts[3]), texts[4], texts[5],
                       numberFrom(texts[6]), texts[7], texts[8], numberFrom(texts[9]), texts[10], texts[11],
                       texts[12]);
    fuzzRow(row);
    row.set<7>(buildStates.back());
    row.set<8>(reasons.back());
    for (const std::string& outcome : outcomes) {
        row.set<1>(outcome);
        fuzzRow(row);
    }
    row.set<1>(outcomes.front());
    for (const std::string& state : buildStates) {
        row.set<7>(state);
        fuzzRow(row);
    }
    for (const std::string& reason : reasons) {
        row.set<8>(reason);
        fuzzRow(row);
    }
}

} // namespace HangDetection::Test
