#include "SignalFreeThread.h"

#include "AllSignalsBlocked.h"

#include <pthread.h>

namespace HangDetection {

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
