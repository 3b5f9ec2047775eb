#pragma once

#include <csignal>
#include <pthread.h>

namespace HangDetection {

class AllSignalsBlocked
/// Blocks all signals of the calling thread as long as it lives. A thread or a process that is
/// started meanwhile inherits that.
{
public:
    AllSignalsBlocked()
    {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &_before);
    }

    ~AllSignalsBlocked() { pthread_sigmask(SIG_SETMASK, &_before, nullptr); }

    AllSignalsBlocked(const AllSignalsBlocked&) = delete;
    AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

private:
    sigset_t _before{};
};

} // namespace HangDetection
