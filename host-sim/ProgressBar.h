#pragma once

#include "Screen.h"

#include <string>

namespace HangDetection::Sim {

class ProgressBar
/// How far something with a known number of steps has come, as the block of a screen. Used by one
/// thread.
{
public:
    ProgressBar(Screen& screen, std::string title, int steps);
    /// Without a terminal the title is all that is printed.

    void begin(const std::string& step);
    /// The step before is done.

private:
    Screen& _screen;
    const std::string _title;
    const int _steps;
    int _begun = 0;
};

} // namespace HangDetection::Sim
