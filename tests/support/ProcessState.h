#pragma once

#include <cstddef>
#include <ostream>
#include <set>
#include <string>
#include <sys/types.h>

namespace HangDetection::Test {

struct ProcessState
/// What a process holds that a host would run out of.
{
    std::size_t descriptors = 0;
    std::size_t threads = 0;

    bool operator==(const ProcessState&) const = default;
};

ProcessState stateOf(pid_t process);
/// Throws std::filesystem::filesystem_error when there is no such process.

std::multiset<std::string> threadsOf(pid_t process);
/// The names of its threads, one of which is the process's own. Throws the same.

std::size_t listeningSocketsOf(pid_t process);
/// Sockets, also of UNIX, that somebody can connect to. Throws the same.

inline std::ostream& operator<<(std::ostream& stream, const ProcessState& state)
{
    return stream << state.descriptors << " descriptors and " << state.threads << " threads";
}

} // namespace HangDetection::Test
