#include "Duration.h"

#include <charconv>
#include <cstdint>
#include <limits>

namespace HangDetection {

std::optional<std::chrono::seconds> parseDuration(std::string_view text)
{
    std::int64_t unit = 1;
    if (!text.empty()) {
        switch (text.back()) {
        case 's':
        case 'S':
            text.remove_suffix(1);
            break;
        case 'm':
        case 'M':
            unit = 60;
            text.remove_suffix(1);
            break;
        case 'h':
        case 'H':
            unit = 3600;
            text.remove_suffix(1);
            break;
        default:
            break;
        }
    }
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc{} || end != text.data() + text.size() || text.front() == '-' ||
        count > std::numeric_limits<std::int64_t>::max() / unit)
        return std::nullopt;
    return std::chrono::seconds(count * unit);
}

std::string formatDuration(std::chrono::seconds duration)
{
    const auto count = duration.count();
    if (count != 0 && count % 3600 == 0)
        return std::to_string(count / 3600) + "h";
    if (count != 0 && count % 60 == 0)
        return std::to_string(count / 60) + "m";
    return std::to_string(count) + "s";
}

} // namespace HangDetection
