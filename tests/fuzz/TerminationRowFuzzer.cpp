// Any texts and numbers in a row of terminate_jobs.sql or of cancel_jobs.sql: it gives a termination with
// exactly these, which is one line of the log, or is refused for its outcome, its state or its reason, which
// are not quoted then.

#include "Fuzzing.h"
#include "Report.h"
#include "data/TerminationRow.h"
#include "data/Words.h"

#include <cstring>

namespace HangDetection::Test {

namespace {

template <typename Value>
bool isKnown(std::string_view name)
{
    return std::ranges::count(words<Value>, name, &Word<Value>::word) > 0;
}

std::int64_t numberFrom(std::string bytes)
/// Any number that a column can hold.
{
    std::int64_t number = 0;
    bytes.resize(sizeof number);
    std::memcpy(&number, bytes.data(), sizeof number);
    return number;
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
    return pairs;
}

Pairs cancelPairsOf(const TerminationRow& row)
{
    Pairs pairs{{"job_id", row.get<0>()},
                {"type", row.get<2>()},
                {"log_silent_s", std::to_string(row.get<3>())},
                {"threshold_s", "300"},
                {"stage", row.get<4>()}};
    if (!row.get<5>().empty()) {
        pairs.emplace_back("workspace_id", row.get<5>());
        pairs.emplace_back("build_number", std::to_string(row.get<6>()));
    }
    return pairs;
}

void requireLine(const Termination& job, const TerminationRow& row)
/// The names of outcome and state are the same in the statement and in the log.
{
    static Report report;
    require(nameOf(job.outcome) == row.get<1>(), "an outcome is what its name says");
    switch (wordFor(job.outcome).effect) {
    case Effect::terminated:
        report.requireLine(new JobTerminated(job, std::chrono::seconds(300)), "job terminated", pairsOf(row));
        report.requireLine(new JobWouldBeTerminated(job, std::chrono::seconds(300)), "would terminate",
                           pairsOf(row));
        break;
    case Effect::canceled:
        report.requireLine(new JobCanceled(job, std::chrono::seconds(300)), "job canceled",
                           cancelPairsOf(row));
        break;
    case Effect::failed:
        require(!tellsSecret(job.error), "an error quotes nothing");
        report.requireLine(new JobFailed(job, false),
                           job.isCancel ? "job not canceled" : "job not terminated",
                           {{"job_id", job.jobId}, {"error", job.error}});
        break;
    case Effect::skipped:
        report.requireLine(new JobSkipped(job), "job skipped",
                           {{"job_id", job.jobId}, {"cause", row.get<1>()}});
        break;
    }
}

void fuzzRow(const TerminationRow& row)
{
    const bool areKnown =
        isKnown<Outcome>(row.get<1>()) && isKnown<BuildState>(row.get<7>()) && isKnown<Reason>(row.get<8>());
    try {
        const Termination job = answerFrom(row);
        require(areKnown, "a row is refused for its outcome, its state or its reason");
        require(job.updatedAt == row.get<9>(), "a termination holds what is in the row");
        requireLine(job, row);
    } catch (const Poco::DataFormatException& exception) {
        require(!areKnown, "a row is refused for nothing else");
        require(!tellsSecret(exception.displayText()), "a refusal quotes nothing");
    }
    // Its first columns are those of a cancel.
    try {
        const Termination job = answerFrom(CancelRow(row.get<0>(), row.get<1>(), row.get<2>(), row.get<3>(),
                                                     row.get<4>(), row.get<5>(), row.get<6>()));
        if (wordFor(job.outcome).effect != Effect::terminated)
            requireLine(job, row);
    } catch (const Poco::DataFormatException&) {
        require(!isKnown<Outcome>(row.get<1>()), "a cancel is refused for its outcome");
    }
}

} // namespace

void fuzz(std::string_view input)
{
    std::vector<std::string> texts = partsOf(input, '|');
    texts.resize(10);
    TerminationRow row(texts[0], texts[1], texts[2], numberFrom(texts[3]), texts[4], texts[5],
                       numberFrom(texts[6]), texts[7], texts[8], texts[9]);
    fuzzRow(row);
    row.set<7>(std::string(words<BuildState>.back().word));
    row.set<8>(std::string(words<Reason>.back().word));
    for (const Word<Outcome>& outcome : words<Outcome>) {
        row.set<1>(std::string(outcome.word));
        fuzzRow(row);
    }
    row.set<1>(std::string(words<Outcome>.front().word));
    for (const Word<BuildState>& state : words<BuildState>) {
        row.set<7>(std::string(state.word));
        fuzzRow(row);
    }
    for (const Word<Reason>& reason : words<Reason>) {
        row.set<8>(std::string(reason.word));
        fuzzRow(row);
    }
}

} // namespace HangDetection::Test
