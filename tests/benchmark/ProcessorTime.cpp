#include "ProcessorTime.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace HangDetection::Benchmark {

namespace fs = std::filesystem;

namespace {

struct Stat
{
    std::string name;
    std::chrono::milliseconds time{};
};

Stat statOf(const fs::path& task)
/// Of a process or a thread; nothing of one that has ended.
{
    std::string text;
    std::getline(std::ifstream(task / "stat"), text);
    const auto begin = text.find('(');
    const auto end = text.rfind(')');
    if (end == std::string::npos)
        return {};
    // After the name: the state, and ten numbers that are of no use here.
    std::istringstream fields(text.substr(end + 1));
    std::string skipped;
    for (int i = 0; i < 11; ++i)
        fields >> skipped;
    long user = 0;
    long system = 0;
    fields >> user >> system;
    return {text.substr(begin + 1, end - begin - 1),
            std::chrono::milliseconds((user + system) * 1000 / sysconf(_SC_CLK_TCK))};
}

} // namespace

ProcessorTime ProcessorTime::read(pid_t process, const std::string& thread)
{
    const fs::path directory = "/proc/" + std::to_string(process);
    ProcessorTime time{.all = statOf(directory).time};
    for (const auto& task : fs::directory_iterator(directory / "task")) {
        const Stat stat = statOf(task.path());
        if (stat.name == thread)
            time.ofThread += stat.time;
    }
    return time;
}

ThreadTime ThreadTime::read(pid_t process, const std::string& thread)
{
    ThreadTime time;
    for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
        if (statOf(task.path()).name != thread)
            continue;
        long ran = 0;
        long waited = 0;
        std::ifstream(task.path() / "schedstat") >> ran >> waited;
        time.ran = std::chrono::nanoseconds(ran);
        time.waitedForProcessor = std::chrono::nanoseconds(waited);
        std::ifstream status(task.path() / "status");
        for (std::string key; status >> key;) {
            if (key == "voluntary_ctxt_switches:")
                status >> time.blocked;
        }
    }
    return time;
}

} // namespace HangDetection::Benchmark
