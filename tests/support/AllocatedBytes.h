#pragma once

#include <cstddef>
#include <malloc.h>

#if defined(__SANITIZE_THREAD__)
// From sanitizer/allocator_interface.h, which g++ does not bring.
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace HangDetection::Test {

inline std::size_t allocatedBytes()
/// What this process has allocated and not freed. Always 0 with the address sanitizer, which
/// keeps what was freed for a while; it looks for leaks by itself when the program ends.
///
/// What a thread was given and keeps for its next allocations counts, too, which with many threads
/// is a lot. GLIBC_TUNABLES=glibc.malloc.tcache_count=0 in the environment lets it keep nothing.
{
#if defined(__SANITIZE_THREAD__)
    return __sanitizer_get_current_allocated_bytes();
#elif defined(__SANITIZE_ADDRESS__)
    return 0;
#else
    return mallinfo2().uordblks + mallinfo2().hblkhd;
#endif
}

} // namespace HangDetection::Test
