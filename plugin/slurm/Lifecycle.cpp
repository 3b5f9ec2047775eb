#include "Lifecycle.h"

#include "SlurmLogChannel.h"
#include "SlurmScheduler.h"
#include "data/Connection.h"
#include "detection/Service.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <new>
#include <sys/types.h>
#include <unistd.h>
#include <utility>
#include <vector>

// Only the simulator has this. It leaves the metrics to slurmctld.
extern "C" __attribute__((weak)) bool hang_detector_is_simulated();

namespace HangDetection {

namespace {

using Clock = std::chrono::steady_clock;

/// How long exit() waits for the detector's thread to leave the database.
constexpr std::chrono::seconds exitGrace{2};

struct Services
/// The services of this process whose threads may still run: the one that was started last, and stopped ones
/// whose end was not seen yet.
{
    std::mutex mutex;
    std::vector<std::unique_ptr<Service>> all;
};

/// Made by the first start and never destroyed: a thread may still run when static objects are destroyed.
/// Global, because the plugin interface passes no context.
std::atomic<Services*> services = nullptr;

/// The process that registered stopAtExit.
std::atomic<pid_t> registeredBy = 0;

void stopAtExit() noexcept
/// Runs in exit(), in the thread that called it. Does nothing in a forked child of slurmctld, which has no
/// detector's thread to wait for.
{
    if (getpid() != registeredBy)
        return;
    try {
        stopDetector();
        const auto until = Clock::now() + exitGrace;
        Services& known = *services;
        const std::lock_guard lock(known.mutex);
        for (const auto& service : known.all) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
            service->waitUntilEnded(std::max(left, std::chrono::milliseconds(0)));
        }
    } catch (...) {
        // The process ends anyway.
    }
}

} // namespace

void startDetector(const std::filesystem::path& settingsFile, std::string_view cluster)
{
    auto started =
        std::make_unique<Service>(settingsFile, slurmLogger(), cluster, std::make_unique<SlurmScheduler>(),
                                  hang_detector_is_simulated == nullptr || !hang_detector_is_simulated());
    prepareDatabaseLibraries();
    if (services == nullptr)
        services = std::make_unique<Services>().release();
    // After the libraries: exit handlers run in reverse order, so this one runs before theirs.
    if (registeredBy.exchange(getpid()) == 0 && std::atexit(stopAtExit) != 0)
        throw std::bad_alloc();

    Services& known = *services;
    const std::lock_guard lock(known.mutex);
    std::erase_if(known.all,
                  [](const auto& service) { return service->waitUntilEnded(std::chrono::milliseconds(0)); });
    started->start();
    known.all.push_back(std::move(started));
}

void stopDetector()
{
    Services* const known = services;
    if (known == nullptr)
        return;
    const std::lock_guard lock(known->mutex);
    for (const auto& service : known->all)
        service->stop();
}

} // namespace HangDetection
