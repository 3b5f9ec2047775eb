#pragma once

#include "TemporaryDirectory.h"
#include "Texts.h"
#include "ThrowawayPostgres.h"

namespace HangDetection::Test {

inline std::string serverLog(const Sim::ThrowawayPostgres& server)
/// All that the server has written to its log.
{
    return textOf(server.directory() / "postgres.log");
}

inline std::size_t cancellations(const Sim::ThrowawayPostgres& server)
/// How many statements were canceled because a client of the server asked for it.
{
    return count(serverLog(server), "canceling statement due to user request");
}

} // namespace HangDetection::Test
