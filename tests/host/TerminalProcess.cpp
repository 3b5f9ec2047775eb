#include "TerminalProcess.h"

#include <Poco/String.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <poll.h>
#include <pty.h>
#include <stdexcept>
#include <sys/wait.h>
#include <system_error>
#include <termios.h>
#include <unistd.h>

namespace HangDetection::Test {

namespace {

using Clock = std::chrono::steady_clock;

} // namespace

TerminalScreen::TerminalScreen(std::size_t columns, std::size_t rows) : _columns(columns), _rows(rows) {}

void TerminalScreen::write(std::string_view output)
{
    constexpr std::string_view begin = "\033[";
    while (!output.empty()) {
        if (!output.starts_with(begin)) {
            put(output.front());
            output.remove_prefix(1);
            continue;
        }
        output.remove_prefix(begin.size());
        const auto end = std::min(output.find_first_not_of("?;0123456789"), output.size() - 1);
        obey(output.substr(0, end), output[end]);
        output.remove_prefix(end + 1);
    }
}

std::string TerminalScreen::text() const
{
    return Poco::cat(std::string("\n"), _lines.begin(), _lines.end()) + '\n';
}

void TerminalScreen::put(char character)
{
    if (character == '\r') {
        _column = 0;
        return;
    }
    if (character == '\n') {
        toNextLine();
        return;
    }
    if (_column == _columns) {
        _column = 0;
        toNextLine();
    }
    std::string& line = _lines[_line];
    line.resize(std::max(line.size(), _column + 1), ' ');
    line[_column] = character;
    ++_column;
}

void TerminalScreen::toNextLine()
{
    ++_line;
    if (_line == _lines.size())
        _lines.emplace_back();
}

void TerminalScreen::obey(std::string_view parameters, char command)
{
    const std::string text = std::string(parameters) + command;
    const auto clearLine = [this] { _lines[_line].resize(std::min(_lines[_line].size(), _column)); };
    if (command == 'A') {
        const std::size_t top = _lines.size() - std::min(_lines.size(), _rows);
        _line = std::max(top, _line - std::min(_line, static_cast<std::size_t>(std::stoul(text))));
    } else if (text == "K") {
        clearLine();
    } else if (text == "J") {
        clearLine();
        for (std::size_t below = _line + 1; below < _lines.size(); ++below)
            _lines[below].clear();
    } else if (text == "?25l" || text == "?25h") {
        _isCursorVisible = command == 'h';
    } else if (command == 'm') {
        _isColoured = text != "0m";
    } else {
        throw std::runtime_error("unknown escape sequence " + text);
    }
}

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
        // EIO: no process has the terminal open any more.
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
