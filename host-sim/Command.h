#pragma once

#include <string>
#include <vector>

namespace HangDetection::Sim {

struct CommandResult
{
    int exitStatus = 0;
    std::string output;
    /// What the command wrote to stdout and stderr.
};

using CommandLine = std::vector<std::string>;
/// The program and its arguments. The program is looked up on PATH unless it is a path. No shell.

CommandResult runCommand(const CommandLine& command);
/// Runs a command to its end. Throws Poco::Exception when it cannot be started.

std::string mustRun(const CommandLine& command);
/// Returns the output of a command. Throws std::runtime_error with the output when the command fails.

CommandLine asUser(const std::string& user, const CommandLine& command);
/// When root calls it: a command line that runs the command as that user. Otherwise the command itself.

} // namespace HangDetection::Sim
