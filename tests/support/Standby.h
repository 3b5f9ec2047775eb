#pragma once

#include "Command.h"
#include "TemporaryDirectory.h"
#include "ThrowawayPostgres.h"

#include <filesystem>

namespace HangDetection::Test {

class Standby
/// A hot standby of a server: a copy of it that follows what is committed there, and
/// that answers whoever only reads. It is stopped and removed with the object.
{
public:
    explicit Standby(const Sim::ThrowawayPostgres& primary);
    /// Throws std::runtime_error with what the server's programs said.

    ~Standby();

    Standby(const Standby&) = delete;
    Standby& operator=(const Standby&) = delete;

    const std::filesystem::path& directory() const { return _directory.path(); }
    /// The host of a connection string that leads to it.

    void promote() const { control({"promote"}); }
    /// From now on it is a server like any other. Returns when it takes writes.

private:
    void control(const Sim::CommandLine& action) const;

    const std::filesystem::path _binaries;
    const TemporaryDirectory _directory;
};

} // namespace HangDetection::Test
