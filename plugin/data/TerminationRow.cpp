#include "TerminationRow.h"

#include <Poco/Exception.h>

#include <array>
#include <string_view>
#include <utility>

namespace HangDetection {

namespace {

template <typename Value, std::size_t Size>
Value fromName(const std::array<std::pair<std::string_view, Value>, Size>& names, const std::string& name)
{
    for (const auto& [candidate, value] : names) {
        if (candidate == name)
            return value;
    }
    throw Poco::DataFormatException("unknown name in an answer about a termination");
}

constexpr std::array<std::pair<std::string_view, Outcome>, 8> outcomes{{
    {"terminated", Outcome::terminated},
    {"locked", Outcome::locked},
    {"missing", Outcome::missing},
    {"not_started", Outcome::notStarted},
    {"completed", Outcome::completed},
    {"reported", Outcome::reported},
    {"no_build", Outcome::failed},
    {"not_updated", Outcome::failed},
}};

constexpr std::array<std::pair<std::string_view, BuildState>, 3> buildStates{{
    {"none", BuildState::none},
    {"kept", BuildState::kept},
    {"copied", BuildState::copied},
}};

constexpr std::array<std::pair<std::string_view, Reason>, 2> reasons{{
    {"hung", Reason::hung},
    {"pending", Reason::pending},
}};

} // namespace

Termination answerFrom(const TerminationRow& row)
{
    Termination answer;
    answer.jobId = row.get<0>();
    answer.outcome = fromName(outcomes, row.get<1>());
    answer.type = row.get<2>();
    answer.silent = std::chrono::seconds(row.get<3>());
    answer.stage = row.get<4>();
    answer.workspaceId = row.get<5>();
    answer.buildNumber = row.get<6>();
    answer.state = fromName(buildStates, row.get<7>());
    answer.reason = fromName(reasons, row.get<8>());
    answer.updatedAt = std::chrono::microseconds(row.get<9>());
    answer.workspace = row.get<10>();
    answer.owner = row.get<11>();
    answer.templateName = row.get<12>();
    if (answer.outcome == Outcome::failed)
        answer.error = row.get<1>() == "no_build"
                           ? "the job is a workspace build, but no row of workspace_builds belongs to it"
                           : "a trigger of the database keeps the job from being updated";
    return answer;
}

} // namespace HangDetection
