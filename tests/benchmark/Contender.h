#pragma once

#include <memory>
#include <string>
#include <sys/types.h>
#include <unistd.h>

namespace HangDetection::Benchmark {

class Contender
/// Somebody who terminates hung jobs, connected to a database.
{
public:
    Contender() = default;
    virtual ~Contender() = default;

    Contender(const Contender&) = delete;
    Contender& operator=(const Contender&) = delete;

    virtual void look() {}
    /// What an earlier run did, for a detector that terminates only what it has seen before. It is not
    /// part of what is measured, as in a deployment the earlier run comes anyway.

    virtual int run() = 0;
    /// One search, and the termination of what it found. Returns how many jobs were terminated.

    virtual pid_t process() const { return getpid(); }
    /// Who does the work at the client's side.
};

/// The columns of the table.
enum class Side
{
    detector,       /// the plugin's own
    statements2023, /// statement by statement, as Coder's detector did before mid-2025
    statements2026, /// and as later ones do
    psql            /// the least SQL that will do
};

constexpr int sides = 4;

std::unique_ptr<Contender> makeContender(Side side, const std::string& connectionString, int mostJobs);
/// Whose run terminates at most so many jobs; with 0 there is none to terminate.

} // namespace HangDetection::Benchmark
