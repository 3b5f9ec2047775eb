// To be preloaded into a program: ends it by _exit after HANG_DETECTOR_EXIT_AFTER_US
// microseconds, with status 77, from a signal handler of whatever its main thread is at.
// No handler of exit() runs, nothing is flushed or closed.

#include <csignal>
#include <cstdlib>
#include <sys/time.h>
#include <unistd.h>

namespace {

extern "C" void exitAtOnce(int)
{
    _exit(77);
}

__attribute__((constructor)) void startTimer()
{
    const char* const text = std::getenv("HANG_DETECTOR_EXIT_AFTER_US"); // NOLINT(concurrency-mt-unsafe)
    const long microseconds = text == nullptr ? 0 : std::atol(text);     // NOLINT(cert-err34-c)
    struct sigaction action = {};
    action.sa_handler = exitAtOnce;
    sigaction(SIGALRM, &action, nullptr);
    constexpr long second = 1'000'000;
    const itimerval timer{{0, 0}, {microseconds / second, microseconds % second}};
    setitimer(ITIMER_REAL, &timer, nullptr);
}

} // namespace
