#include "TerminationRow.h"

#include "Words.h"

namespace HangDetection {

Termination answerFrom(const TerminationRow& row)
{
    Termination answer;
    answer.jobId = row.get<0>();
    answer.outcome = valueOf<Outcome>(row.get<1>());
    answer.type = row.get<2>();
    answer.silent = std::chrono::seconds(row.get<3>());
    answer.stage = row.get<4>();
    answer.workspaceId = row.get<5>();
    answer.buildNumber = row.get<6>();
    answer.state = valueOf<BuildState>(row.get<7>());
    answer.reason = valueOf<Reason>(row.get<8>());
    answer.updatedAt = row.get<9>();
    answer.error = wordFor(answer.outcome).error;
    return answer;
}

} // namespace HangDetection
