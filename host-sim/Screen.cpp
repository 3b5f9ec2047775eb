#include "Screen.h"

#include <iostream>
#include <unistd.h>

namespace HangDetection::Sim {

namespace {

const char* codeOf(Screen::Colour colour)
{
    switch (colour) {
    case Screen::Colour::good:
        return "\033[32m";
    case Screen::Colour::bad:
        return "\033[31m";
    case Screen::Colour::faint:
        return "\033[2m";
    case Screen::Colour::strong:
        return "\033[1m";
    case Screen::Colour::plain:
        break;
    }
    return "";
}

} // namespace

Screen::Screen() : _isTerminal(isatty(STDOUT_FILENO) == 1) {}

Screen::~Screen()
{
    endLive();
}

void Screen::line(const std::string& text, Colour colour)
{
    const std::lock_guard lock(_mutex);
    clearLive();
    std::cout << coloured(text, colour) << '\n';
    if (_isTerminal)
        std::cout << _live;
    std::cout << std::flush;
}

void Screen::live(const std::string& text)
{
    const std::lock_guard lock(_mutex);
    if (text == _live)
        return;
    clearLive();
    _live = text;
    std::cout << _live << (_isTerminal ? "" : "\n") << std::flush;
}

void Screen::endLive()
{
    const std::lock_guard lock(_mutex);
    clearLive();
    _live.clear();
    std::cout << std::flush;
}

std::string Screen::coloured(const std::string& text, Colour colour) const
{
    if (!_isTerminal || colour == Colour::plain)
        return text;
    return codeOf(colour) + text + "\033[0m";
}

void Screen::clearLive()
{
    if (_isTerminal && !_live.empty())
        std::cout << "\r\033[K";
}

} // namespace HangDetection::Sim
