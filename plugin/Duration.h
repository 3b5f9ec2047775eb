#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace HangDetection {

std::optional<std::chrono::seconds> parseDuration(std::string_view text);
/// Reads a duration as it is written in hang_detector.conf: a whole number of
/// seconds, or a whole number followed by s, m or h in either case ("90",
/// "90s", "5m", "1h"). Nothing else is a duration, neither a sign nor a
/// fraction nor a blank; a number of seconds beyond 64 bits is none either.

std::string formatDuration(std::chrono::seconds duration);
/// Writes a duration in the largest unit that divides it: "90s", "5m", "1h".

} // namespace HangDetection
