#include "Interruption.h"

#include <csignal>
#include <initializer_list>

namespace HangDetection::Sim {

namespace {

volatile std::sig_atomic_t interrupted = 0;

extern "C" void rememberInterruption(int)
{
    interrupted = 1;
}

} // namespace

void catchInterruption()
{
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction action = {};
        action.sa_handler = rememberInterruption;
        sigaction(number, &action, nullptr);
    }
}

bool isInterrupted()
{
    return interrupted != 0;
}

} // namespace HangDetection::Sim
