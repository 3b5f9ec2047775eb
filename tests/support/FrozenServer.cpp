#include "FrozenServer.h"

#include "Command.h"

#include <fstream>
#include <stdexcept>

namespace HangDetection::Test {

namespace {

std::string postmasterOf(const Sim::ThrowawayPostgres& server)
{
    std::string pid;
    std::ifstream(server.directory() / "data/postmaster.pid") >> pid;
    if (pid.empty())
        throw std::runtime_error("the server to be frozen does not run");
    return pid;
}

} // namespace

FrozenServer::FrozenServer(const Sim::ThrowawayPostgres& server) : _postmaster(postmasterOf(server))
{
    try {
        signalTo("-STOP");
    } catch (...) {
        thaw();
        throw;
    }
}

void FrozenServer::thaw() noexcept
{
    try {
        signalTo("-CONT");
    } catch (...) {
        // Without kill and pkill nothing was stopped either.
    }
}

void FrozenServer::signalTo(const std::string& signal) const
{
    // The postmaster first, so that none of the others is a new one.
    Sim::mustRun({"kill", signal, _postmaster});
    Sim::mustRun({"pkill", signal, "--parent", _postmaster});
}

} // namespace HangDetection::Test
