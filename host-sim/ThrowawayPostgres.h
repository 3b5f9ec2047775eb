#pragma once

#include <filesystem>
#include <functional>
#include <string>

namespace HangDetection::Sim {

class ThrowawayPostgres
/// A PostgreSQL server in a temporary directory, reachable only by a unix socket there. When started by root
/// it runs as the user postgres. The destructor stops the server and removes the directory, unless keep() was
/// called. Not for data of value: with Disk::spared it does not sync to disk.
{
public:
    enum class Disk
    {
        spared, /// a crash of the machine may lose commits
        synced  /// as with a server's default settings
    };

    using StepObserver = std::function<void(const std::string& step)>;

    explicit ThrowawayPostgres(
        Disk disk = Disk::spared, const StepObserver& onStep = [](const std::string&) {});
    /// Calls the observer before each of the two steps, initdb and start. Throws std::runtime_error when
    /// there is no PostgreSQL on this machine, with what to install, or when it does not start, with its
    /// error.

    ~ThrowawayPostgres();

    ThrowawayPostgres(const ThrowawayPostgres&) = delete;
    ThrowawayPostgres& operator=(const ThrowawayPostgres&) = delete;

    void start();
    void stop(const std::string& mode = "fast");
    /// Stops in one of pg_ctl's modes: smart, fast or immediate.

    void crash();
    /// Stops as in mode immediate, but right now: nothing is finished or flushed, and the next start
    /// recovers.

    void createDatabase(const std::string& name, const std::string& options = "") const;
    /// Creates a database with the schema of schema.sql, and with these options of CREATE DATABASE.

    std::string connectionString(const std::string& database) const;
    /// A libpq connection string for the server's superuser.

    const std::filesystem::path& directory() const { return _directory; }
    /// The temporary directory: the socket, the data and the server's log.

    const std::filesystem::path& binaries() const { return _binaries; }
    /// Where initdb, pg_ctl and psql are.

    void keep() { _isKept = true; }
    /// Leaves the server running and its directory in place.

private:
    void remove() noexcept;

    std::filesystem::path _binaries;
    std::filesystem::path _directory;
    bool _isRunning = false;
    bool _isKept = false;
};

} // namespace HangDetection::Sim
