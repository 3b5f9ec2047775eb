#include "ChildProcess.h"

#include "Eventually.h"

#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace HangDetection::Test {

namespace {

/// How long a program may take to end before the destructor forces it.
constexpr std::chrono::seconds grace{5};

pid_t spawn(const Sim::CommandLine& command, const std::filesystem::path& output)
{
    std::vector<char*> arguments;
    for (const std::string& word : command)
        arguments.push_back(
            const_cast<char*>(word.c_str())); // NOLINT: exec's way to declare what it only reads
    arguments.push_back(nullptr);

    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, output.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                     0644);
    posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);

    pid_t id = 0;
    const int error = posix_spawnp(&id, arguments[0], &files, &attributes, arguments.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (error != 0)
        throw std::system_error(error, std::generic_category(), command.front() + " cannot be started");
    return id;
}

} // namespace

ChildProcess::ChildProcess(const Sim::CommandLine& command, const std::filesystem::path& output)
    : _id(spawn(command, output))
{}

ChildProcess::~ChildProcess()
{
    if (!_exitStatus)
        stop(grace);
    kill(-_id, SIGKILL);
}

std::optional<int> ChildProcess::waitUntilEnded(std::chrono::milliseconds atMost)
{
    eventually(atMost, [this] {
        int status = 0;
        if (!_exitStatus && waitpid(_id, &status, WNOHANG) == _id)
            _exitStatus = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        return _exitStatus.has_value();
    });
    return _exitStatus;
}

int ChildProcess::stop(std::chrono::milliseconds atMost)
{
    if (!_exitStatus)
        kill(_id, SIGTERM);
    if (!waitUntilEnded(atMost)) {
        kill(-_id, SIGKILL);
        waitUntilEnded(grace);
    }
    return _exitStatus.value_or(128 + SIGKILL);
}

} // namespace HangDetection::Test
