#include "SignalFreeThread.h"

#include <csignal>
#include <pthread.h>

namespace HangDetection {

namespace {

class AllSignalsBlocked
/// Blocks all signals of the calling thread; a thread started meanwhile inherits that.
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

} // namespace

std::thread signalFreeThread(const char* name, std::function<void()> body)
{
    const AllSignalsBlocked blocked;
    std::thread thread([body = std::move(body)]() mutable noexcept {
        try {
            body();
            body = nullptr; // what it owns may throw, too, when it goes
        } catch (...) {
            // The bodies report what they can by themselves.
        }
    });
    pthread_setname_np(thread.native_handle(), name);
    return thread;
}

} // namespace HangDetection
