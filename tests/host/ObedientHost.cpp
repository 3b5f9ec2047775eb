// A host of the plugin that does what slurmctld does now and then, when a signal asks for it:
//   SIGUSR1  forks children that end by exit(), one after the other, as slurmctld --systemd
//            does with one
//   SIGUSR2  unloads the plugin and loads it again, as a changed plugin list makes slurmctld do
//   SIGHUP   unloads the plugin and goes on without it, as when it is taken off the list
//   SIGTERM  unloads the plugin and ends
// It prints the plugin's log and how each of these went. Its argument is a slurm.conf.

#include "HostLog.h"
#include "PluginHost.h"

#include <csignal>
#include <cstdlib>
#include <exception>
#include <initializer_list>
#include <iostream>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace HangDetection;
using Clock = std::chrono::steady_clock;

constexpr int childrenAtOnce = 50;

long millisecondsSince(Clock::time_point start)
{
    return static_cast<long>(
        std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count());
}

void forkChildren()
{
    const auto start = Clock::now();
    int wellEnded = 0;
    for (int i = 0; i < childrenAtOnce; ++i) {
        const pid_t child = fork();
        if (child == 0)
            std::exit(EXIT_SUCCESS); // NOLINT(concurrency-mt-unsafe): the only thread of this process
        int status = -1;
        if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0)
            ++wellEnded;
    }
    std::cout << wellEnded << " of " << childrenAtOnce << " forked children ended well, in "
              << millisecondsSince(start) << " ms" << std::endl;
}

void unload(std::optional<Sim::PluginHost>& plugin)
{
    const auto start = Clock::now();
    plugin.reset();
    std::cout << "unloaded in " << millisecondsSince(start) << " ms" << std::endl;
}

void obey(const std::string& slurmConf, const sigset_t& orders)
{
    std::optional<Sim::PluginHost> plugin(Sim::PluginHost::fromSlurmConf(slurmConf));
    while (true) {
        int order = 0;
        sigwait(&orders, &order);
        if (order == SIGUSR1) {
            forkChildren();
            continue;
        }
        unload(plugin);
        if (order == SIGTERM)
            return;
        if (order == SIGUSR2)
            plugin.emplace(Sim::PluginHost::fromSlurmConf(slurmConf));
    }
}

} // namespace

int main(int argc, char** argv)
{
    sigset_t orders;
    sigemptyset(&orders);
    for (const int order : {SIGUSR1, SIGUSR2, SIGHUP, SIGTERM})
        sigaddset(&orders, order);
    pthread_sigmask(SIG_BLOCK, &orders, nullptr);

    const Sim::HostLog log([](Sim::LogLevel, const std::string& line) { std::cout << line << std::endl; });
    try {
        obey(argc == 2 ? argv[1] : "", orders);
    } catch (const std::exception& exception) {
        std::cout << exception.what() << std::endl;
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
