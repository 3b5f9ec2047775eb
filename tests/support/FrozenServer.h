#pragma once

#include "Command.h"
#include "ThrowawayPostgres.h"

#include <fstream>
#include <stdexcept>
#include <string>

namespace HangDetection::Test {

class FrozenServer
/// A server whose processes are all stopped, until it is thawed, at the latest with the end of
/// the object: the kernel accepts connections for it, and it answers nothing.
{
public:
    explicit FrozenServer(const Sim::ThrowawayPostgres& server)
    /// Throws std::runtime_error when it does not run.
    {
        std::ifstream(server.directory() / "data/postmaster.pid") >> _postmaster;
        if (_postmaster.empty())
            throw std::runtime_error("the server to be frozen does not run");
        try {
            signal("-STOP");
        } catch (...) {
            thaw();
            throw;
        }
    }

    ~FrozenServer() { thaw(); }

    FrozenServer(const FrozenServer&) = delete;
    FrozenServer& operator=(const FrozenServer&) = delete;

    void thaw() noexcept
    /// May come more than once.
    {
        try {
            signal("-CONT");
        } catch (...) {
            // Without kill and pkill nothing was stopped either.
        }
    }

private:
    void signal(const std::string& name) const
    /// The postmaster first, so that none of the others is a new one.
    {
        Sim::mustRun({"kill", name, _postmaster});
        Sim::mustRun({"pkill", name, "--parent", _postmaster});
    }

    std::string _postmaster;
};

} // namespace HangDetection::Test
