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
/// The program, found on PATH unless it is a path, and its arguments. No shell.

CommandResult runCommand(const CommandLine& command);
/// Runs a command to its end. Throws Poco::Exception when it cannot be started.

std::string mustRun(const CommandLine& command);
/// The output of a command that has to succeed; throws std::runtime_error with its
/// output when it does not.

CommandLine asUser(const std::string& user, const CommandLine& command);
/// The command as it has to be written to run as that user, when started by root;
/// the command itself when started by anybody else.

} // namespace HangDetection::Sim
