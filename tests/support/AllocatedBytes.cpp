#include "AllocatedBytes.h"

#include <malloc.h>

#if defined(__SANITIZE_THREAD__)
// From sanitizer/allocator_interface.h, which g++ does not bring.
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace HangDetection::Test {

std::size_t allocatedBytes()
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
