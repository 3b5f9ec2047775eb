#include "Fuzzing.h"

#include <cstdint>
#include <cstdlib>
#include <iostream>

namespace HangDetection::Test {

void require(bool holds, std::string_view what)
{
    if (holds)
        return;
    std::cerr << "does not hold: " << what << '\n';
    std::abort();
}

std::vector<std::string> partsOf(std::string_view input, char separator)
{
    std::vector<std::string> parts;
    for (auto end = input.find(separator); end != std::string_view::npos; end = input.find(separator)) {
        parts.emplace_back(input.substr(0, end));
        input.remove_prefix(end + 1);
    }
    parts.emplace_back(input);
    return parts;
}

bool tellsSecret(std::string_view text)
{
    constexpr std::size_t most = 4;
    for (std::size_t at = 0; at + most <= secret.size(); ++at) {
        if (text.find(secret.substr(at, most)) != std::string_view::npos)
            return true;
    }
    return false;
}

} // namespace HangDetection::Test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    HangDetection::Test::fuzz({reinterpret_cast<const char*>(data), size});
    return 0;
}
