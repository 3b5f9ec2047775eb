#pragma once

#include "scheduler/Scheduler.h"

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace HangDetection {

class SlurmScheduler : public Scheduler
/// Asks slurmctld by its public API, as a client would, although in the same process: the requests
/// go through its port, and no lock is held meanwhile.
{
public:
    std::vector<SchedulerJob> markedJobs(const RunLimit& limit) override;
    /// Slurm itself waits for minutes where the active controller is another one and does not
    /// answer. So the question has a thread of its own, which is left behind at a stop or when the
    /// time is over.

    std::uint64_t marksSeen() const override;

    bool release(const SchedulerJob& job, const std::string& reason) override;
    /// The reason goes into the admin_comment. The job is killed as by scancel.

private:
    struct Answer
    {
        std::vector<SchedulerJob> jobs;
        std::string error;
        /// Empty when Slurm did answer.
    };

    class Question
    /// Shared with the thread that asks it.
    {
    public:
        void answer(Answer answer);
        bool isAnswered();
        std::optional<Answer> await(const RunLimit& limit);

    private:
        std::mutex _mutex;
        std::condition_variable_any _hasAnswer;
        std::optional<Answer> _answer;
    };

    static Answer ask();
    Question& openQuestion();

    std::shared_ptr<Question> _question;
    /// The one that is still open, if there is one.
};

} // namespace HangDetection
