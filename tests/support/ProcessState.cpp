#include "ProcessState.h"

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

std::multiset<std::string> threadsOf(pid_t process)
{
    std::multiset<std::string> names;
    for (const auto& thread : std::filesystem::directory_iterator(directoryOf(process) / "task")) {
        std::string name;
        std::getline(std::ifstream(thread.path() / "comm"), name);
        names.insert(name);
    }
    return names;
}

} // namespace HangDetection::Test
