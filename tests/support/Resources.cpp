#include "Resources.h"

#include <filesystem>
#include <iterator>
#include <malloc.h>
#include <ostream>

#if defined(__SANITIZE_THREAD__)
// From sanitizer/allocator_interface.h, which g++ does not bring.
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace HangDetection::Test {

namespace {

std::size_t entriesOf(const char* directory)
{
    const std::filesystem::directory_iterator entries(directory);
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

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

} // namespace

Resources Resources::inUse()
{
    return {entriesOf("/proc/self/fd"), entriesOf("/proc/self/task"), allocatedBytes()};
}

std::ostream& operator<<(std::ostream& stream, const Resources& resources)
{
    return stream << resources.descriptors << " descriptors, " << resources.threads << " threads, "
                  << resources.bytes << " bytes";
}

} // namespace HangDetection::Test
