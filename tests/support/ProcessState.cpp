#include "ProcessState.h"

#include <filesystem>
#include <iterator>
#include <string>

namespace HangDetection::Test {

namespace {

std::size_t entriesOf(const std::filesystem::path& directory)
{
    const std::filesystem::directory_iterator entries(directory);
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

} // namespace

ProcessState stateOf(pid_t process)
{
    const std::filesystem::path directory = "/proc/" + std::to_string(process);
    return {.descriptors = entriesOf(directory / "fd"), .threads = entriesOf(directory / "task")};
}

} // namespace HangDetection::Test
