#pragma once

#include <cstdint>
#include <string>

namespace HangDetection::Test {

std::string freePort(std::uint16_t from, std::uint16_t to);
/// A port of 127.0.0.1 that nothing uses. The range should lie below the ports that the
/// kernel gives to clients, so that none of them takes it before the daemon does. Throws
/// std::runtime_error when there is none.

} // namespace HangDetection::Test
