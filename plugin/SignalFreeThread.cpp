#include "SignalFreeThread.h"

#include "libpq/AllSignalsBlocked.h"

#include <pthread.h>

namespace HangDetection {

std::thread signalFreeThread(const char* name, std::function<void()> body)
{
    const Libpq::AllSignalsBlocked blocked;
    std::thread thread([body = std::move(body)]() mutable noexcept {
        try {
            body();
            body = nullptr; // the destructors of what it owns may throw, too
        } catch (...) {
            // The body logs its errors itself.
        }
    });
    pthread_setname_np(thread.native_handle(), name);
    return thread;
}

} // namespace HangDetection
