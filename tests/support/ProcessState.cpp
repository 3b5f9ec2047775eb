#include "ProcessState.h"

#include <Poco/StringTokenizer.h>

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

std::size_t listeningSocketsOf(pid_t process)
{
    std::set<std::string> own;
    std::error_code ignored; // of one that is closed meanwhile
    for (const auto& descriptor : entriesOf(process, "fd"))
        own.insert(std::filesystem::read_symlink(descriptor.path(), ignored));
    std::size_t count = 0;
    for (const auto& [table, inode] : {std::pair("tcp", 9U), {"tcp6", 9U}, {"unix", 6U}}) {
        std::ifstream rows("/proc/" + std::to_string(process) + "/net/" + table);
        for (std::string row; std::getline(rows, row);) {
            const Poco::StringTokenizer columns(row, " ", Poco::StringTokenizer::TOK_IGNORE_EMPTY);
            // The state LISTEN of a TCP socket, or the flag of a UNIX socket that accepts.
            const bool isListening =
                columns.count() > inode && (columns[3] == "0A" || columns[3] == "00010000");
            count += isListening && own.contains("socket:[" + columns[inode] + ']') ? 1 : 0;
        }
    }
    return count;
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
