#pragma once

#include <Poco/Environment.h>

#include <string>

namespace HangDetection::Test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int roundsAreCutBy = 5;
#else
constexpr int roundsAreCutBy = 1;
#endif

constexpr int rounds(int count)
/// How often a fault is injected. With a sanitizer, which looks for other defects and makes
/// everything slower, a fifth of it.
{
    return count / roundsAreCutBy;
}

inline int attacks(int count)
/// The same for a suite of attacks. HANG_DETECTOR_ATTACKS=N in the environment makes N times as many.
{
    return rounds(count) * std::stoi(Poco::Environment::get("HANG_DETECTOR_ATTACKS", "1"));
}

} // namespace HangDetection::Test
