#pragma once

#include <string>

namespace HangDetection::Benchmark {

class Progress
/// A bar on stderr for something that takes its time; nothing where that is no terminal.
{
public:
    Progress(std::string what, int steps);
    ~Progress();
    /// Clears the bar.

    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void step();
    /// One more is done.

private:
    void draw() const;

    const bool _isShown;
    const std::string _what;
    const int _steps;
    int _done = 0;
};

} // namespace HangDetection::Benchmark
