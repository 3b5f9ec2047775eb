#pragma once

#include "Screen.h"

#include <string>

namespace HangDetection::Sim {

class ProgressBar
/// Shows how many of a known number of steps are done, as the block of a screen. Used by one thread.
{
public:
    ProgressBar(Screen& screen, std::string title, int steps);
    /// Without a terminal only the title is printed.

    void begin(const std::string& step);
    /// Begins the next step; the one before is done.

private:
    Screen& _screen;
    const std::string _title;
    const int _steps;
    int _begun = 0;
};

} // namespace HangDetection::Sim
