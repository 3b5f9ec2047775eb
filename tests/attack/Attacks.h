#pragma once

#include "Rounds.h"

#include <Poco/Environment.h>

#include <string>

namespace HangDetection::Test {

inline int attacks(int count)
/// How many attacks a suite makes. HANG_DETECTOR_ATTACKS=N in the environment makes N times as many.
{
    return rounds(count) * std::stoi(Poco::Environment::get("HANG_DETECTOR_ATTACKS", "1"));
}

} // namespace HangDetection::Test
