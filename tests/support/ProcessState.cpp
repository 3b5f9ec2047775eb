#include "ProcessState.h"

#include <filesystem>
#include <fstream>
#include <iterator>

namespace HangDetection::Test {

namespace {

std::filesystem::directory_iterator entriesOf(pid_t process, const std::string& directory)
{
    return std::filesystem::directory_iterator("/proc/" + std::to_string(process) + '/' + directory);
}

std::size_t countOf(const std::filesystem::directory_iterator& entries)
{
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

} // namespace

ProcessState stateOf(pid_t process)
{
    return {.descriptors = countOf(entriesOf(process, "fd")), .threads = countOf(entriesOf(process, "task"))};
}

std::multiset<std::string> threadsOf(pid_t process)
{
    std::multiset<std::string> names;
    for (const auto& thread : entriesOf(process, "task")) {
        std::string name;
        std::getline(std::ifstream(thread.path() / "comm"), name);
        names.insert(name);
    }
    return names;
}

} // namespace HangDetection::Test
