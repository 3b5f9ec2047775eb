#pragma once

#include <csignal>
#include <pthread.h>

namespace Libpq {

class AllSignalsBlocked
/// Blocks all signals in the calling thread while it lives. Threads and processes that are started meanwhile
/// inherit this.
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

} // namespace Libpq
