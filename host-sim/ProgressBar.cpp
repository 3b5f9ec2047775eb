#include "ProgressBar.h"

#include <utility>

namespace HangDetection::Sim {

namespace {

constexpr int width = 24;

} // namespace

ProgressBar::ProgressBar(Screen& screen, std::string title, int steps)
    : _screen(screen), _title(std::move(title)), _steps(steps)
{
    if (!_screen.isTerminal())
        _screen.line(_title + " ...");
}

void ProgressBar::begin(const std::string& step)
{
    const auto done = static_cast<std::size_t>(width * _begun / _steps);
    ++_begun;
    _screen.block({{{_title + " ["},
                    {std::string(done, '#'), Screen::Colour::good},
                    {std::string(width - done, '.'), Screen::Colour::faint},
                    {"] " + std::to_string(_begun) + "/" + std::to_string(_steps) + " " + step}}});
}

} // namespace HangDetection::Sim
