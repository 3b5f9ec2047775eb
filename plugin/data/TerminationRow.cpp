#include "TerminationRow.h"

#include "Words.h"

namespace HangDetection {

namespace {

template <typename Row>
Termination beginningOf(const Row& row)
{
    Termination answer;
    answer.jobId = row.template get<0>();
    answer.outcome = valueOf<Outcome>(row.template get<1>());
    answer.type = row.template get<2>();
    answer.silent = std::chrono::seconds(row.template get<3>());
    answer.stage = row.template get<4>();
    answer.workspaceId = row.template get<5>();
    answer.buildNumber = row.template get<6>();
    answer.error = wordFor(answer.outcome).error;
    return answer;
}

} // namespace

Termination answerFrom(const TerminationRow& row)
{
    Termination answer = beginningOf(row);
    answer.state = valueOf<BuildState>(row.get<7>());
    answer.reason = valueOf<Reason>(row.get<8>());
    answer.updatedAt = row.get<9>();
    return answer;
}

Termination answerFrom(const CancelRow& row)
{
    Termination answer = beginningOf(row);
    answer.isCancel = true;
    return answer;
}

} // namespace HangDetection
