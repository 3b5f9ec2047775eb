#include "ProcessState.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace HangDetection::Test {

namespace {

std::filesystem::path directoryOf(pid_t process)
{
    return "/proc/" + std::to_string(process);
}

std::size_t entriesOf(const std::filesystem::path& directory)
{
    const std::filesystem::directory_iterator entries(directory);
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

} // namespace

ProcessState stateOf(pid_t process)
{
    const std::filesystem::path directory = directoryOf(process);
    return {.descriptors = entriesOf(directory / "fd"), .threads = entriesOf(directory / "task")};
}

bool hasThread(pid_t process, const std::string& name)
{
    const std::filesystem::directory_iterator threads(directoryOf(process) / "task");
    return std::any_of(begin(threads), end(threads), [&](const std::filesystem::directory_entry& thread) {
        std::string line;
        std::getline(std::ifstream(thread.path() / "comm"), line);
        return line == name;
    });
}

} // namespace HangDetection::Test
