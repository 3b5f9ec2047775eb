#pragma once

#include "Command.h"
#include "Eventually.h"
#include "JobDatabase.h"
#include "TemporaryDirectory.h"
#include "ThrowawayPostgres.h"
#include "Undo.h"

#include <unistd.h>

#include <fstream>
#include <stdexcept>

// What befalls a server for as long as the object lives, or until it is undone before. Whatever cannot be
// made throws std::runtime_error.

namespace HangDetection::Test {

class Outage : public Undo
/// The server is stopped.
{
public:
    explicit Outage(Sim::ThrowawayPostgres& server) : Undo([&server] { server.start(); }) { server.stop(); }
};

class FrozenServer
/// All processes of the server are stopped: the kernel accepts connections for it, and it answers nothing.
{
public:
    explicit FrozenServer(const Sim::ThrowawayPostgres& server)
    {
        std::ifstream(server.directory() / "data/postmaster.pid") >> _postmaster;
        signal("-STOP");
    }

    void thaw() { _frozen.now(); }

private:
    void signal(const std::string& name) const
    /// The postmaster first, so that none of the others is a new one.
    {
        Sim::mustRun({"kill", name, _postmaster});
        Sim::mustRun({"pkill", name, "--parent", _postmaster});
    }

    std::string _postmaster;
    Undo _frozen{[this] { signal("-CONT"); }};
};

class HbaRule
/// A line in front of those of the server's pg_hba.conf, where the first match counts. It must not be
/// about the server's superuser. Sessions that are open are not touched by it.
{
public:
    HbaRule(const Sim::ThrowawayPostgres& server, const std::string& line, const std::string& options = "")
        : _connectionString(server.connectionString("postgres") + options),
          _file(server.directory() / "data/pg_hba.conf"),
          _before(textOf(_file))
    /// Returns when it is in force. The options are for the connection to the server.
    {
        write(line + '\n' + _before);
    }

    void end() { _rule.now(); }
    /// Returns when it is out of force.

private:
    void write(const std::string& rules) const
    {
        std::ofstream(_file) << rules;
        Sim::JobDatabase session(_connectionString);
        const auto before = session.value("SELECT clock_timestamp()::text");
        session.execute("SELECT pg_reload_conf()");
        // The process that makes all sessions passes its time on to them, and reads both files in one go.
        const bool isRead = eventually(std::chrono::seconds(20), [&] {
            return Sim::JobDatabase(_connectionString)
                .isTrue("SELECT pg_conf_load_time() > $1::timestamptz", before.value());
        });
        if (!isRead)
            throw std::runtime_error("the server does not read its pg_hba.conf again");
    }

    const std::string _connectionString;
    const std::filesystem::path _file;
    const std::string _before;
    Undo _rule{[this] { write(_before); }};
};

class FullDisk
/// A small disk with the log lines of all jobs, on which nothing is left free.
{
public:
    explicit FullDisk(std::string connectionString) : _connectionString(std::move(connectionString))
    /// That of the database, for a superuser. Mounts a file system, for which it takes root.
    {
        Sim::mustRun({"mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", _disk.path()});
        Sim::mustRun({"chown", "postgres", _disk.path()});
        execute("CREATE TABLESPACE small_disk LOCATION '" + _disk.path().string() + "'");
        execute("ALTER TABLE provisioner_job_logs SET TABLESPACE small_disk");
        for (std::ofstream filler(_disk.path() / "filler"); filler;)
            filler << std::string(4096, '.') << std::flush;
    }

    void free() { std::filesystem::remove(_disk.path() / "filler"); }

private:
    void execute(const std::string& sql) const { Sim::JobDatabase(_connectionString).execute(sql); }

    const std::string _connectionString;
    const TemporaryDirectory _disk;
    // From the last to the first. The server may still have a file open there that is deleted.
    Undo _mount{[this] { Sim::mustRun({"umount", "--lazy", _disk.path()}); }};
    Undo _tablespace{[this] {
        free();
        execute("ALTER TABLE provisioner_job_logs SET TABLESPACE pg_default");
        execute("DROP TABLESPACE small_disk");
    }};
};

class Standby
/// A hot standby of the server: a copy of it that follows what is committed there, and that answers
/// whoever only reads.
{
public:
    explicit Standby(const Sim::ThrowawayPostgres& primary) : _binaries(primary.binaries())
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
    Undo _server{[this] { control({"stop", "--mode", "immediate"}); }};
};

} // namespace HangDetection::Test
