#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace HangDetection {

std::optional<std::chrono::seconds> parseDuration(std::string_view text);
/// Reads a duration as in hang_detector.conf: a whole number of seconds, or a whole number and s, m or h in
/// either case ("90", "90s", "5m", "1h"). Nothing for any other text: with a sign, a fraction or a blank, or
/// with more seconds than 64 bits hold.

std::string formatDuration(std::chrono::seconds duration);
/// Writes a duration in the largest unit that divides it: "90s", "5m", "1h".

} // namespace HangDetection
