#pragma once

#include "ThrowawayPostgres.h"

#include <cstddef>
#include <string>

namespace HangDetection::Test {

std::string serverLog(const Sim::ThrowawayPostgres& server);
/// All that the server has written to its log.

std::size_t cancellations(const Sim::ThrowawayPostgres& server);
/// How many statements were canceled because a client of the server asked for it.

} // namespace HangDetection::Test
