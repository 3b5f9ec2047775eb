#pragma once

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

namespace HangDetection::Test {

class LeakAllowance
/// While one lives, the leak sanitizer does not mind what becomes of anything that this
/// thread allocates. For a leak of a library that nobody can mend from outside.
{
public:
#ifdef __SANITIZE_ADDRESS__
    LeakAllowance()
    {
        __lsan_disable();
    }
    ~LeakAllowance()
    {
        __lsan_enable();
    }
#else
    LeakAllowance() = default;
#endif

    LeakAllowance(const LeakAllowance&) = delete;
    LeakAllowance& operator=(const LeakAllowance&) = delete;
};

} // namespace HangDetection::Test
