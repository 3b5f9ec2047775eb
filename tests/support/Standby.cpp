#include "Standby.h"

#include <exception>
#include <fstream>
#include <iostream>
#include <unistd.h>

namespace HangDetection::Test {

namespace fs = std::filesystem;

namespace {

constexpr const char* serverUser = "postgres";

} // namespace

Standby::Standby(const Sim::ThrowawayPostgres& primary) : _binaries(primary.binaries())
{
    // Others have to come through to the socket, among them SlurmUser.
    fs::permissions(directory(), fs::perms::group_exec | fs::perms::others_exec, fs::perm_options::add);
    if (geteuid() == 0)
        Sim::mustRun({"chown", serverUser, directory().string()});
    const fs::path data = directory() / "data";
    Sim::mustRun(Sim::asUser(serverUser, {_binaries / "pg_basebackup", "--pgdata", data, "--host",
                                          primary.directory(), "--username", "postgres", "--checkpoint",
                                          "fast", "--no-sync", "--write-recovery-conf"}));
    // The last line for a setting counts.
    std::ofstream(data / "postgresql.conf", std::ios::app)
        << "unix_socket_directories = '" << directory().string() << "'\n";
    control({"start", "--log", directory() / "postgres.log"});
}

Standby::~Standby()
{
    try {
        control({"stop", "--mode", "immediate"});
    } catch (const std::exception& exception) {
        std::cerr << "the standby of the tests does not stop: " << exception.what() << '\n';
    }
}

void Standby::control(const Sim::CommandLine& action) const
{
    Sim::CommandLine command{_binaries / "pg_ctl", "--wait", "--silent", "--pgdata", directory() / "data"};
    command.insert(command.end(), action.begin(), action.end());
    Sim::mustRun(Sim::asUser(serverUser, command));
}

} // namespace HangDetection::Test
