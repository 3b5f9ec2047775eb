// Asks a Slurm for its marked jobs as the plugin does, lets something happen, and then releases the
// first of them: what a queue that changes between question and answer needs to be seen.
// usage: release-by-hand REASON [COMMAND [ARGUMENT ...]]
// SIGTERM stops the wait for an answer.
// Prints for each marked job its name, whether it is suspended, and since when it runs again; then
// `released`, `gone` or the error. It ends when nothing is asked any more.

#include "slurm/SlurmScheduler.h"

#include <slurm/slurm.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

using namespace HangDetection;

void runCommand(char** command)
{
    const pid_t child = fork();
    if (child == 0) {
        execvp(*command, command);
        _exit(127);
    }
    waitpid(child, nullptr, 0);
}

} // namespace

int main(int argc, char** argv)
try {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::stop_source stop;
    std::thread([&] {
        int signal = 0;
        sigwait(&signals, &signal);
        stop.request_stop();
    }).detach();

    // As each of its commands does. Later releases than 22.05 end a program that does not.
    slurm_init(nullptr);
    SlurmScheduler slurm;
    const RunLimit limit{stop.get_token(), RunLimit::Clock::now() + std::chrono::minutes(2)};
    const std::vector<SchedulerJob> marked = slurm.markedJobs(limit);
    for (const SchedulerJob& job : marked) {
        std::cout << job.name;
        if (job.endedAgo)
            std::cout << " ended";
        if (job.isSuspended)
            std::cout << " suspended";
        if (job.resumedAgo)
            std::cout << " resumed " << job.resumedAgo->count();
        std::cout << '\n';
    }
    if (argc > 2)
        runCommand(argv + 2);
    if (argc < 2)
        return EXIT_SUCCESS;
    try {
        const bool isReleased = slurm.release(marked.at(0), argv[1], limit);
        std::cout << (isReleased ? "released" : "gone") << '\n';
    } catch (const SchedulerError& error) {
        std::cout << error.what() << '\n';
    }
    slurm.markedJobs({{}, limit.deadline});
    return EXIT_SUCCESS;
} catch (const std::exception& exception) {
    std::cout << exception.what() << '\n';
    return EXIT_SUCCESS;
}
