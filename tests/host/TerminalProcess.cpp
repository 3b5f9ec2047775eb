#include "TerminalProcess.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <system_error>
#include <termios.h>
#include <unistd.h>
#include <vector>

namespace HangDetection::Test {

namespace {

using Clock = std::chrono::steady_clock;

} // namespace

TerminalProcess::TerminalProcess(const Sim::CommandLine& command, unsigned short columns, unsigned short rows)
    : _columns(columns), _rows(rows)
{
    std::vector<char*> arguments;
    for (const std::string& word : command)
        arguments.push_back(
            const_cast<char*>(word.c_str())); // NOLINT: exec's way to declare what it only reads
    arguments.push_back(nullptr);

    const struct winsize size = {.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    _id = forkpty(&_terminal, nullptr, nullptr, &size);
    if (_id < 0)
        throw std::system_error(errno, std::generic_category(), "forkpty");
    if (_id == 0) {
        execvp(arguments[0], arguments.data());
        _exit(127);
    }
}

TerminalProcess::~TerminalProcess()
{
    if (!_hasEnded) {
        // It leads a session, and with that a process group.
        kill(-_id, SIGKILL);
        waitpid(_id, nullptr, 0);
    }
    close(_terminal);
}

TerminalScreen TerminalProcess::screen() const
{
    TerminalScreen screen(_columns, _rows);
    screen.write(_output);
    return screen;
}

bool TerminalProcess::readUntil(const std::function<bool(const std::string& output)>& condition,
                                std::chrono::milliseconds atMost)
{
    const auto until = Clock::now() + atMost;
    while (!condition(_output)) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
        pollfd readable{.fd = _terminal, .events = POLLIN, .revents = 0};
        if (left.count() <= 0 || poll(&readable, 1, static_cast<int>(left.count())) <= 0)
            return false;
        std::array<char, 4096> buffer{};
        const auto size = read(_terminal, buffer.data(), buffer.size());
        // EIO: nobody has the terminal open any more.
        if (size <= 0)
            return false;
        _output.append(buffer.data(), static_cast<std::size_t>(size));
    }
    return true;
}

void TerminalProcess::type(const std::string& keys) const
{
    if (write(_terminal, keys.data(), keys.size()) != static_cast<ssize_t>(keys.size()))
        throw std::system_error(errno, std::generic_category(), "the terminal");
}

bool TerminalProcess::echoes() const
{
    termios mode{};
    if (tcgetattr(_terminal, &mode) != 0)
        throw std::system_error(errno, std::generic_category(), "the terminal");
    return (mode.c_lflag & ECHO) != 0;
}

std::optional<int> TerminalProcess::readToEnd(std::chrono::milliseconds atMost)
{
    const auto until = Clock::now() + atMost;
    readUntil([](const std::string&) { return false; }, atMost);
    if (Clock::now() >= until)
        return std::nullopt;
    int status = 0;
    waitpid(_id, &status, 0);
    _hasEnded = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace HangDetection::Test
