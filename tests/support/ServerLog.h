#pragma once

#include "ThrowawayPostgres.h"

#include <cstddef>
#include <string>

namespace HangDetection::Test {

std::size_t countInServerLog(const Sim::ThrowawayPostgres& server, const std::string& text);
/// How often the log of a server holds the text.

std::size_t cancellations(const Sim::ThrowawayPostgres& server);
/// How many statements were canceled because a client of the server asked for it.

} // namespace HangDetection::Test
