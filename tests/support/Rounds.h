#pragma once

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

} // namespace HangDetection::Test
