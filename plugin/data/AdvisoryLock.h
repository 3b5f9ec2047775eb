#pragma once

#include <cstdint>
#include <string_view>

namespace HangDetection {

constexpr std::int64_t advisoryLockKey(std::string_view jobId)
/// The key of the advisory lock that Coder servers from before mid-2025 take for a job. It is the 64-bit
/// FNV-1 hash (multiply, then xor) of "hang-detector:" and the job's id in lower case, as a signed number.
/// The constants are the offset basis and the prime that FNV publishes.
{
    std::uint64_t hash = 14695981039346656037U;
    const auto mix = [&hash](std::string_view text) {
        for (const char c : text) {
            hash *= 1099511628211U;
            hash ^= static_cast<unsigned char>(c);
        }
    };
    mix("hang-detector:");
    mix(jobId);
    return static_cast<std::int64_t>(hash);
}

} // namespace HangDetection
