#pragma once

#include <cstddef>
#include <iosfwd>

namespace HangDetection::Test {

struct Resources
/// What this process has in use.
{
    std::size_t descriptors = 0;
    std::size_t threads = 0;
    std::size_t bytes = 0;
    /// Allocated and not freed. Always 0 with the address sanitizer, which keeps what was
    /// freed for a while; it looks for leaks by itself when the program ends.

    static Resources inUse();
};

std::ostream& operator<<(std::ostream& stream, const Resources& resources);

} // namespace HangDetection::Test
