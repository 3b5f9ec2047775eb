#pragma once

#include <cstddef>

namespace HangDetection::Test {

std::size_t allocatedBytes();
/// What this process has allocated and not freed. Always 0 with the address sanitizer, which
/// keeps what was freed for a while; it looks for leaks by itself when the program ends.

} // namespace HangDetection::Test
