#pragma once

#include <cstddef>
#include <string>

namespace HangDetection::Test {

inline std::size_t count(const std::string& text, const std::string& part)
/// How often the part, which is not empty, is in the text.
{
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
        ++found;
    return found;
}

} // namespace HangDetection::Test
