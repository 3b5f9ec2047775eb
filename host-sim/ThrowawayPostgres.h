#pragma once

#include <filesystem>
#include <functional>
#include <string>

namespace HangDetection::Sim {

class ThrowawayPostgres
/// A PostgreSQL server of its own in a temporary directory, reachable by a unix socket
/// there and by nothing else. When started by root it runs as the user postgres. The
/// server is stopped and the directory removed with the object, unless it was told to
/// keep them. Not for data that anybody wants to have: it does not sync to disk, unless
/// that is what is looked at.
{
public:
    enum class Disk
    {
        spared, /// what is committed may be lost with the machine
        synced  /// as a server with default settings does it
    };

    using StepObserver = std::function<void(const std::string& step)>;

    explicit ThrowawayPostgres(
        Disk disk = Disk::spared, const StepObserver& onStep = [](const std::string&) {});
    /// The observer is told of each of the two steps, initdb and start, before it begins. Throws
    /// std::runtime_error when there is no PostgreSQL on this machine or it does not start; the
    /// text says what to install, or what the server said.

    ~ThrowawayPostgres();

    ThrowawayPostgres(const ThrowawayPostgres&) = delete;
    ThrowawayPostgres& operator=(const ThrowawayPostgres&) = delete;

    void start();
    void stop(const std::string& mode = "fast");
    /// Stops in one of pg_ctl's modes: smart, fast or immediate.

    void crash();
    /// Stops as by immediate, but at this very moment: nothing is finished or flushed, and the
    /// next start recovers.

    void createDatabase(const std::string& name, const std::string& options = "") const;
    /// A new database with the schema of schema.sql, and with these options of CREATE DATABASE.

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
