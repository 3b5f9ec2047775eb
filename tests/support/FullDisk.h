#pragma once

#include "TemporaryDirectory.h"

#include <string>

namespace HangDetection::Test {

class FullDisk
/// A small disk with the log lines of all jobs, on which nothing is left free, until
/// somebody frees it.
{
public:
    explicit FullDisk(std::string connectionString);
    /// That of the database, for a superuser. Mounts a file system, for which it takes root;
    /// throws std::runtime_error when that is not permitted.

    ~FullDisk();

    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;

    void free();

private:
    void execute(const std::string& sql) const;
    void remove() noexcept;

    const std::string _connectionString;
    const TemporaryDirectory _disk;
};

} // namespace HangDetection::Test
