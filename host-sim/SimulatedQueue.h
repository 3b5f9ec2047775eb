#pragma once

#include <cstdint>
#include <ctime>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace HangDetection::Sim {

struct SimulatedJob
/// What the plugin reads of a job in the simulated queue of Slurm.
{
    enum class State
    {
        running,
        suspended,
        cancelled,
        failed /// 20 seconds before the queue was made
    };

    std::uint32_t id = 0;
    std::string comment = {};
    State state = State::running;
    std::string adminComment = {};

    bool operator==(const SimulatedJob&) const = default;
};

class SimulatedQueue
/// The queue of Slurm jobs that the loaded plugin sees through Slurm's API. Used by any thread.
{
public:
    SimulatedQueue();
    /// Until it is destroyed, this is the queue of this process. Without a queue, Slurm's API answers that it
    /// cannot be reached, so that the plugin does not see a cluster without jobs.

    ~SimulatedQueue();

    SimulatedQueue(const SimulatedQueue&) = delete;
    SimulatedQueue& operator=(const SimulatedQueue&) = delete;

    std::uint32_t add(const std::string& comment, SimulatedJob::State state = SimulatedJob::State::running);
    /// Returns the id of the new job.

    std::vector<SimulatedJob> jobs() const;

    std::time_t made() const { return _made; }
    /// When the queue was made. Its jobs began to run an hour before.

    bool comment(std::uint32_t job, const std::string& adminComment);
    /// False when there is no such job.

    bool cancel(std::uint32_t job);
    /// False when there is no such job, or it is cancelled already.

private:
    mutable std::mutex _mutex;
    std::map<std::uint32_t, SimulatedJob> _jobs;
    const std::time_t _made = std::time(nullptr);
};

bool withQueue(const std::function<void(SimulatedQueue&)>& action);
/// Calls the action with the queue of this process, which is not destroyed meanwhile. False without a queue.

} // namespace HangDetection::Sim
