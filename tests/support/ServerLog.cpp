#include "ServerLog.h"

#include "Count.h"

#include <fstream>
#include <iterator>

namespace HangDetection::Test {

std::size_t countInServerLog(const Sim::ThrowawayPostgres& server, const std::string& text)
{
    std::ifstream log(server.directory() / "postgres.log");
    return count({std::istreambuf_iterator<char>(log), {}}, text);
}

std::size_t cancellations(const Sim::ThrowawayPostgres& server)
{
    return countInServerLog(server, "canceling statement due to user request");
}

} // namespace HangDetection::Test
