#pragma once

#include "Command.h"
#include "TemporaryDirectory.h"
#include "ThrowawayPostgres.h"

#include <unistd.h>

#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>

namespace HangDetection::Test {

class Standby
/// A hot standby of a server: a copy of it that follows what is committed there, and
/// that answers whoever only reads. It is stopped and removed with the object.
{
public:
    explicit Standby(const Sim::ThrowawayPostgres& primary) : _binaries(primary.binaries())
    /// Throws std::runtime_error with what the server's programs said.
    {
        namespace fs = std::filesystem;
        // Others have to come through to the socket, among them SlurmUser.
        fs::permissions(directory(), fs::perms::group_exec | fs::perms::others_exec, fs::perm_options::add);
        if (geteuid() == 0)
            Sim::mustRun({"chown", "postgres", directory()});
        const fs::path data = directory() / "data";
        Sim::mustRun(Sim::asUser("postgres", {_binaries / "pg_basebackup", "--pgdata", data, "--host",
                                              primary.directory(), "--username", "postgres", "--checkpoint",
                                              "fast", "--no-sync", "--write-recovery-conf"}));
        // The last line for a setting counts.
        std::ofstream(data / "postgresql.conf", std::ios::app)
            << "unix_socket_directories = '" << directory().string() << "'\n";
        control({"start", "--log", directory() / "postgres.log"});
    }

    ~Standby()
    {
        try {
            control({"stop", "--mode", "immediate"});
        } catch (const std::exception& exception) {
            std::cerr << "the standby of the tests does not stop: " << exception.what() << '\n';
        }
    }

    Standby(const Standby&) = delete;
    Standby& operator=(const Standby&) = delete;

    const std::filesystem::path& directory() const { return _directory.path(); }
    /// The host of a connection string that leads to it.

    void promote() const { control({"promote"}); }
    /// From now on it is a server like any other. Returns when it takes writes.

private:
    void control(const Sim::CommandLine& action) const
    {
        Sim::CommandLine command{_binaries / "pg_ctl", "--wait", "--silent", "--pgdata",
                                 directory() / "data"};
        command.insert(command.end(), action.begin(), action.end());
        Sim::mustRun(Sim::asUser("postgres", command));
    }

    const std::filesystem::path _binaries;
    const TemporaryDirectory _directory;
};

} // namespace HangDetection::Test
