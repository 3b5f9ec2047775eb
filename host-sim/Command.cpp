#include "Command.h"

#include <Poco/Pipe.h>
#include <Poco/PipeStream.h>
#include <Poco/Process.h>
#include <Poco/StreamCopier.h>

#include <stdexcept>
#include <unistd.h>

namespace HangDetection::Sim {

CommandResult runCommand(const CommandLine& command)
{
    Poco::Pipe output;
    const Poco::Process::Args arguments(command.begin() + 1, command.end());
    const Poco::ProcessHandle process =
        Poco::Process::launch(command.front(), arguments, nullptr, &output, &output);
    Poco::PipeInputStream stream(output);
    CommandResult result;
    Poco::StreamCopier::copyToString(stream, result.output);
    result.exitStatus = process.wait();
    return result;
}

std::string mustRun(const CommandLine& command)
{
    const CommandResult result = runCommand(command);
    if (result.exitStatus != 0) {
        std::string text;
        for (const std::string& word : command)
            text += word + ' ';
        throw std::runtime_error(text + "ended with status " + std::to_string(result.exitStatus) + ":\n" +
                                 result.output);
    }
    return result.output;
}

CommandLine asUser(const std::string& user, const CommandLine& command)
{
    if (geteuid() != 0)
        return command;
    CommandLine line{"setpriv", "--reuid", user, "--regid", user, "--init-groups", "--"};
    line.insert(line.end(), command.begin(), command.end());
    return line;
}

} // namespace HangDetection::Sim
