#pragma once

#include "scheduler/Scheduler.h"

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace HangDetection {

class SlurmScheduler : public Scheduler
/// Asks slurmctld through its public API, as a client does, although it is the same process: the requests go
/// through its port, and no lock is held meanwhile.
{
public:
    std::vector<SchedulerJob> markedJobs(const RunLimit& limit) override;
    /// A thread of its own asks Slurm, because Slurm's API waits for minutes when another controller is
    /// active and does not answer. The thread is left behind at a stop or when the time is over.

    std::uint64_t marksSeen() const override;

    bool release(const SchedulerJob& job, const std::string& reason) override;
    /// The reason goes into the admin_comment. The job is killed as by scancel.

private:
    struct Answer
    {
        std::vector<SchedulerJob> jobs;
        std::exception_ptr failure;
        /// Null when Slurm answered.
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

    static Answer ask() noexcept;
    static std::vector<SchedulerJob> listMarkedJobs();
    Question& openQuestion();

    std::shared_ptr<Question> _question;
    /// The question without an answer yet, if there is one.
};

} // namespace HangDetection
