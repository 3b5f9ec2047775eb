#pragma once

#include "Count.h"
#include "ThrowawayPostgres.h"

#include <cstddef>
#include <fstream>
#include <iterator>
#include <string>

namespace HangDetection::Test {

inline std::string serverLog(const Sim::ThrowawayPostgres& server)
/// All that the server has written to its log.
{
    std::ifstream log(server.directory() / "postgres.log");
    return {std::istreambuf_iterator<char>(log), {}};
}

inline std::size_t cancellations(const Sim::ThrowawayPostgres& server)
/// How many statements were canceled because a client of the server asked for it.
{
    return count(serverLog(server), "canceling statement due to user request");
}

} // namespace HangDetection::Test
