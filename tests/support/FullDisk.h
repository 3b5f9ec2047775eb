#pragma once

#include "Command.h"
#include "JobDatabase.h"
#include "TemporaryDirectory.h"

#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <utility>

namespace HangDetection::Test {

class FullDisk
/// A small disk with the log lines of all jobs, on which nothing is left free, until
/// somebody frees it.
{
public:
    explicit FullDisk(std::string connectionString) : _connectionString(std::move(connectionString))
    /// That of the database, for a superuser. Mounts a file system, for which it takes root;
    /// throws std::runtime_error when that is not permitted.
    {
        Sim::mustRun({"mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", _disk.path()});
        try {
            Sim::mustRun({"chown", "postgres", _disk.path()});
            execute("CREATE TABLESPACE small_disk LOCATION '" + _disk.path().string() + "'");
            execute("ALTER TABLE provisioner_job_logs SET TABLESPACE small_disk");
            for (std::ofstream filler(_disk.path() / "filler"); filler;)
                filler << std::string(4096, '.') << std::flush;
        } catch (...) {
            remove();
            throw;
        }
    }

    ~FullDisk() { remove(); }

    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;

    void free() { std::filesystem::remove(_disk.path() / "filler"); }

private:
    void execute(const std::string& sql) const { Sim::JobDatabase(_connectionString).execute(sql); }

    void remove() noexcept
    {
        try {
            free();
            execute("ALTER TABLE provisioner_job_logs SET TABLESPACE pg_default");
            execute("DROP TABLESPACE small_disk");
        } catch (const std::exception& exception) {
            std::cerr << "the tablespace of the tests stays: " << exception.what() << '\n';
        }
        try {
            // The server may still have a file open there that is deleted.
            Sim::mustRun({"umount", "--lazy", _disk.path()});
        } catch (const std::exception& exception) {
            std::cerr << "the disk of the tests stays: " << exception.what() << '\n';
        }
    }

    const std::string _connectionString;
    const TemporaryDirectory _disk;
};

} // namespace HangDetection::Test
