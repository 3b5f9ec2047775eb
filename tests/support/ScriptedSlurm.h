#pragma once

#include "scheduler/Scheduler.h"

#include <functional>
#include <memory>
#include <utility>

namespace HangDetection::Test {

struct SlurmScript
/// What a Slurm answers that can be made to fail at will, as a real one does not.
{
    std::vector<SchedulerJob> marked;
    std::string askError;
    /// Unless it is empty, Slurm does not list its jobs.
    std::string releaseError;
    /// Unless it is empty, Slurm does not cancel a job.
    bool hasEnded = false;
    /// The jobs end between question and release.
    std::function<void()> onQuestion;
    std::function<void()> onRelease;
    /// What happens meanwhile.
    std::uint64_t marksSeen = 0;
    /// By job submission, which is not simulated here.
    int questions = 0;
    RunLimit::Clock::duration patience{};
    /// How long the last question was allowed to take.
    std::vector<std::string> reasons;
    /// Of each release that succeeded.
};

class ScriptedSlurm : public Scheduler
/// Used by one thread, as is its script, which outlives it.
{
public:
    explicit ScriptedSlurm(SlurmScript& script) : _script(script) {}

    std::vector<SchedulerJob> markedJobs(const RunLimit& limit) override
    {
        ++_script.questions;
        _script.patience = limit.deadline - RunLimit::Clock::now();
        if (_script.onQuestion)
            _script.onQuestion();
        if (limit.stop.stop_requested())
            throw SchedulerError("stopped");
        if (!_script.askError.empty())
            throw SchedulerError(_script.askError);
        return _script.marked;
    }

    std::uint64_t marksSeen() const override { return _script.marksSeen; }

    bool release(const SchedulerJob& job, const std::string& reason, const RunLimit&) override
    {
        if (!_script.releaseError.empty())
            throw SchedulerError(_script.releaseError);
        if (_script.onRelease)
            _script.onRelease();
        if (_script.hasEnded)
            return false;
        std::erase_if(_script.marked, [&](const SchedulerJob& other) { return other.name == job.name; });
        _script.reasons.push_back(reason);
        return true;
    }

private:
    SlurmScript& _script;
};

} // namespace HangDetection::Test
