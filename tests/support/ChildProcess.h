#pragma once

#include "Command.h"

#include <chrono>
#include <filesystem>
#include <optional>
#include <sys/types.h>

namespace HangDetection::Test {

class ChildProcess
/// A program that runs in the background while a test goes on. It is ended with the
/// object, at the latest. Used by one thread.
{
public:
    ChildProcess(const Sim::CommandLine& command, const std::filesystem::path& output);
    /// Starts the command, found on PATH, in a process group of its own. What it
    /// writes to stdout and stderr is appended to the file. Throws std::system_error.

    ~ChildProcess();
    /// Ends the program and all of its process group.

    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    pid_t id() const { return _id; }

    std::optional<int> waitUntilEnded(std::chrono::milliseconds atMost);
    /// The exit status; 128 and the number of the signal for a program that died of
    /// one. Nothing when it has not ended in time.

    int stop(std::chrono::milliseconds atMost);
    /// Asks it to end by SIGTERM, forces it when it has not ended in time, and
    /// returns the exit status as waitUntilEnded does.

private:
    const pid_t _id;
    std::optional<int> _exitStatus;
};

} // namespace HangDetection::Test
