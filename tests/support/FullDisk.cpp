#include "FullDisk.h"

#include "Command.h"
#include "JobDatabase.h"

#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <utility>

namespace HangDetection::Test {

FullDisk::FullDisk(std::string connectionString) : _connectionString(std::move(connectionString))
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

FullDisk::~FullDisk()
{
    remove();
}

void FullDisk::free()
{
    std::filesystem::remove(_disk.path() / "filler");
}

void FullDisk::execute(const std::string& sql) const
{
    Sim::JobDatabase(_connectionString).execute(sql);
}

void FullDisk::remove() noexcept
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

} // namespace HangDetection::Test
