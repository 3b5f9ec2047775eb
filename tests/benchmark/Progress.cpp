#include "Progress.h"

#include <algorithm>
#include <iostream>
#include <unistd.h>
#include <utility>

namespace HangDetection::Benchmark {

Progress::Progress(std::string what, int steps)
    : _isShown(isatty(STDERR_FILENO) == 1), _what(std::move(what)), _steps(std::max(steps, 1))
{
    draw();
}

Progress::~Progress()
{
    if (_isShown)
        std::cerr << "\r\033[K" << std::flush;
}

void Progress::step()
{
    ++_done;
    draw();
}

void Progress::draw() const
{
    if (!_isShown)
        return;
    constexpr int width = 30;
    const int filled = std::min(_done, _steps) * width / _steps;
    std::cerr << "\r\033[K[" << std::string(static_cast<std::size_t>(filled), '#')
              << std::string(static_cast<std::size_t>(width - filled), '.') << "] " << _what << std::flush;
}

} // namespace HangDetection::Benchmark
