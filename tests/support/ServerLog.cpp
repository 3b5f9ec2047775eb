#include "ServerLog.h"

#include "Count.h"

#include <fstream>
#include <iterator>

namespace HangDetection::Test {

std::string serverLog(const Sim::ThrowawayPostgres& server)
{
    std::ifstream log(server.directory() / "postgres.log");
    return {std::istreambuf_iterator<char>(log), {}};
}

std::size_t cancellations(const Sim::ThrowawayPostgres& server)
{
    return count(serverLog(server), "canceling statement due to user request");
}

} // namespace HangDetection::Test
