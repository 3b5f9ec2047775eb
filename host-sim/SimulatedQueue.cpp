#include "SimulatedQueue.h"

namespace HangDetection::Sim {

namespace {

/// Global, because Slurm's API is C functions without a context. The mutex makes sure that a plugin's thread
/// does not use a queue that is destroyed.
std::mutex currentMutex;
SimulatedQueue* current = nullptr;

} // namespace

SimulatedQueue::SimulatedQueue()
{
    const std::lock_guard lock(currentMutex);
    current = this;
}

SimulatedQueue::~SimulatedQueue()
{
    const std::lock_guard lock(currentMutex);
    current = nullptr;
}

std::uint32_t SimulatedQueue::add(const std::string& comment, SimulatedJob::State state)
{
    const std::lock_guard lock(_mutex);
    const auto id = static_cast<std::uint32_t>(_jobs.size() + 1);
    _jobs[id] = {.id = id, .comment = comment, .state = state};
    return id;
}

std::vector<SimulatedJob> SimulatedQueue::jobs() const
{
    const std::lock_guard lock(_mutex);
    std::vector<SimulatedJob> jobs;
    jobs.reserve(_jobs.size());
    for (const auto& [id, job] : _jobs)
        jobs.push_back(job);
    return jobs;
}

bool SimulatedQueue::comment(std::uint32_t job, const std::string& adminComment)
{
    const std::lock_guard lock(_mutex);
    const auto found = _jobs.find(job);
    if (found == _jobs.end())
        return false;
    found->second.adminComment = adminComment;
    return true;
}

bool SimulatedQueue::cancel(std::uint32_t job)
{
    const std::lock_guard lock(_mutex);
    const auto found = _jobs.find(job);
    if (found == _jobs.end() || found->second.state == SimulatedJob::State::cancelled)
        return false;
    found->second.state = SimulatedJob::State::cancelled;
    return true;
}

bool withQueue(const std::function<void(SimulatedQueue&)>& action)
{
    const std::lock_guard lock(currentMutex);
    if (current == nullptr)
        return false;
    action(*current);
    return true;
}

} // namespace HangDetection::Sim
