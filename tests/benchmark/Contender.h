#pragma once

#include <Poco/Logger.h>

#include <array>
#include <functional>
#include <string>
#include <sys/types.h>
#include <unistd.h>

namespace HangDetection::Benchmark {

struct Contender
/// Something that terminates hung jobs, connected to a database.
{
    std::function<int()> run = {};
    /// One search, and the termination of what it found. Returns how many jobs were terminated.

    std::function<void()> look = [] {};
    /// What an earlier run did, for a detector that terminates only what it has seen before. It is not
    /// part of what is measured, as in a deployment the earlier run comes anyway.

    pid_t process = getpid();
    /// Does the work at the client's side.
};

/// The columns of the table.
enum class Side
{
    detector,       /// the plugin's own
    statements2023, /// statement by statement, as Coder's detector did before mid-2025
    statements2026, /// and as later ones do
    psql            /// the least SQL that will do
};

inline constexpr std::array allSides{Side::detector, Side::statements2023, Side::statements2026, Side::psql};

Contender makeContender(Side side, const std::string& connectionString, int mostJobs);
/// Its run terminates at most so many jobs; with 0 there is none to terminate. Throws an exception
/// when it cannot connect.

Poco::Logger& silentLogger();
/// Has each line made that slurmctld's log would have, and keeps none.

} // namespace HangDetection::Benchmark
