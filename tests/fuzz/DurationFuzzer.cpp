// Any text as a duration: it is one only if it is digits and a unit, is worth what they
// say, and is the same again when it was written and read.

#include "Duration.h"
#include "Fuzzing.h"

#include <cmath>
#include <cstdlib>

namespace HangDetection::Test {

namespace {

bool isWritten(std::string_view text)
{
    const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const std::string_view unit = text.substr(digits);
    return digits > 0 &&
           (unit.empty() || (unit.size() == 1 && std::string_view("sSmMhH").find(unit.front()) < 6));
}

double worth(const std::string& text)
{
    const char unit = text.back();
    const double seconds = unit == 'm' || unit == 'M' ? 60 : unit == 'h' || unit == 'H' ? 3600 : 1;
    return std::strtod(text.c_str(), nullptr) * seconds;
}

} // namespace

void fuzz(std::string_view input)
{
    const auto duration = parseDuration(input);
    if (!duration) {
        require(!isWritten(input) || worth(std::string(input)) > 9.2e18, "a duration is read");
        return;
    }
    require(isWritten(input), "a duration is digits and a unit");
    const double expected = worth(std::string(input));
    require(std::abs(static_cast<double>(duration->count()) - expected) <= expected * 1e-9,
            "a duration is worth what was written");
    require(parseDuration(formatDuration(*duration)) == duration, "a duration that was written is read");
}

} // namespace HangDetection::Test
