#pragma once

#include <iostream>

namespace HangDetection::Test {

inline std::ostream& figure()
/// For a line about how much a test has tried and seen. tests/run prints these lines at its
/// end. They begin a line of their own, as a test's name waits for its verdict in the one before.
{
    return std::cout << "\nfigure: ";
}

} // namespace HangDetection::Test
