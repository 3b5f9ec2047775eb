#pragma once

#include "scheduler/Scheduler.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace HangDetection {

class SlurmScheduler : public Scheduler
/// Asks slurmctld through its public API, as a client does, although it is the same process: the requests go
/// through its port, and no lock is held meanwhile.
///
/// Slurm's API waits for minutes when another controller is active and does not answer. So its calls are made
/// in a thread of their own, which is left behind at a stop or when the time is over. There is one such
/// thread at a time.
{
public:
    std::vector<SchedulerJob> markedJobs(const RunLimit& limit) override;

    std::uint64_t marksSeen() const override;

    bool release(const SchedulerJob& job, const std::string& reason, const RunLimit& limit) override;
    /// The reason goes into the admin_comment. The job is killed as by scancel. A thread that is left behind
    /// kills no job after the limit.

private:
    class Work;

    void carryOut(std::function<void()> calls, const RunLimit& limit);

    std::shared_ptr<Work> _work;
    /// What the thread does or did last.
};

} // namespace HangDetection
