#pragma once

#include <cstddef>

namespace HangDetection::Test {

std::size_t allocatedBytes();
/// What this process has allocated and not freed. Always 0 with the address sanitizer, which
/// keeps what was freed for a while; it looks for leaks by itself when the program ends.
///
/// What a thread was given and keeps for its next allocations counts, too, which with many threads
/// is a lot. GLIBC_TUNABLES=glibc.malloc.tcache_count=0 in the environment lets it keep nothing.

} // namespace HangDetection::Test
