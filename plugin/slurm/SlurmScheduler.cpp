#include "SlurmScheduler.h"

#include "JobMark.h"
#include "SignalFreeThread.h"
#include "SlurmRelease.h"

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <ctime>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

namespace HangDetection {

namespace {

struct FreeJobs
{
    void operator()(job_info_msg_t* jobs) const { slurm_free_job_info_msg(jobs); }
};

/// Slurm puts the job back into its queue, or it runs in another cluster of a federation. So it has not
/// ended, whatever its base state is.
constexpr std::uint32_t isRequeued =
    JOB_REQUEUE | JOB_REQUEUE_HOLD | JOB_SPECIAL_EXIT | JOB_REQUEUE_FED | JOB_REVOKED;

std::string textOf(const char* text)
{
    return text == nullptr ? "" : text;
}

[[noreturn]] void throwLastError()
{
    throw SchedulerError(slurm_strerror(errno));
}

std::uint32_t baseState(const slurm_job_info_t& job)
{
    return job.job_state & JOB_STATE_BASE;
}

bool hasEnded(const slurm_job_info_t& job)
{
    return baseState(job) > JOB_SUSPENDED && (job.job_state & isRequeued) == 0;
}

bool isWaiting(const slurm_job_info_t& job)
{
    return baseState(job) == JOB_PENDING;
}

bool isConfiguring(const slurm_job_info_t& job)
/// The job has its nodes, but they still boot or run a prolog. Nothing of the job runs yet.
{
    return (job.job_state & (JOB_CONFIGURING | JOB_POWER_UP_NODE)) != 0 || job.state_reason == WAIT_PROLOG;
}

bool isPaused(const slurm_job_info_t& job)
/// Its processes are there, but stopped.
{
    return baseState(job) == JOB_SUSPENDED || (job.job_state & JOB_STOPPED) != 0;
}

bool isRestarted(const slurm_job_info_t& job)
/// It is about to run again. Nothing is left of what ran in it before.
{
    const bool waitsAgain = isWaiting(job) && job.restart_cnt > 0;
    return waitsAgain || isConfiguring(job) || (job.job_state & isRequeued) != 0;
}

bool isSuspended(const slurm_job_info_t& job, const Mark& mark)
/// A daemon that is restarted does not go on with the job that it had.
{
    return isPaused(job) || (mark.kind == Mark::Kind::job && isRestarted(job));
}

std::optional<std::chrono::seconds> resumedAgo(const slurm_job_info_t& job, const Mark& mark, std::time_t now)
{
    const bool isAgain = mark.kind == Mark::Kind::job && job.restart_cnt > 0;
    if (isWaiting(job) || isPaused(job) || isRestarted(job) || (!isAgain && job.suspend_time == 0))
        return std::nullopt;
    return std::chrono::seconds(now - std::max(isAgain ? job.start_time : 0, job.suspend_time));
}

std::optional<std::chrono::seconds> ago(std::time_t time, std::time_t now)
/// No value for a time that Slurm has not set.
{
    return time == 0 ? std::nullopt
                     : std::optional(std::chrono::seconds(std::max<std::time_t>(now - time, 0)));
}

std::optional<std::chrono::seconds> startedAgo(const slurm_job_info_t& job, std::time_t now)
/// A job that was cancelled before it ran has the time of its end for its start.
{
    const bool hasRun = !isWaiting(job) && (!hasEnded(job) || job.start_time < job.end_time);
    return hasRun ? ago(job.start_time, now) : std::nullopt;
}

std::optional<std::chrono::seconds> endedAgo(const slurm_job_info_t& job, std::time_t now)
{
    return hasEnded(job) ? ago(job.end_time, now).value_or(std::chrono::seconds(0))
                         : std::optional<std::chrono::seconds>();
}

std::string endOf(const slurm_job_info_t& job)
/// As Slurm's commands name the states.
{
    static constexpr std::array<std::pair<std::uint32_t, const char*>, 9> names{{
        {JOB_COMPLETE, "COMPLETED"},
        {JOB_CANCELLED, "CANCELLED"},
        {JOB_FAILED, "FAILED"},
        {JOB_TIMEOUT, "TIMEOUT"},
        {JOB_NODE_FAIL, "NODE_FAIL"},
        {JOB_PREEMPTED, "PREEMPTED"},
        {JOB_BOOT_FAIL, "BOOT_FAIL"},
        {JOB_DEADLINE, "DEADLINE"},
        {JOB_OOM, "OUT_OF_MEMORY"},
    }};
    const auto* const known =
        std::ranges::find(names, baseState(job), &std::pair<std::uint32_t, const char*>::first);
    return known == names.end() ? "ENDED" : known->second;
}

std::string_view waitingTasks(const slurm_job_info_t& job)
/// The tasks of an array that wait. Slurm cuts a long list within a task, and ends it with three dots.
{
    return job.array_task_str == nullptr ? "" : job.array_task_str;
}

bool isCut(std::string_view tasks)
{
    return tasks.find("...") != std::string_view::npos;
}

std::string nameOf(const slurm_job_info_t& job)
/// For a task of an array the number alone would mean the whole array, or nothing.
{
    if (job.array_task_id != NO_VAL)
        return std::to_string(job.array_job_id) + '_' + std::to_string(job.array_task_id);
    std::string_view tasks = waitingTasks(job);
    if (tasks.empty())
        return std::to_string(jobNumber(job));
    if (isCut(tasks))
        tasks = tasks.substr(0, tasks.rfind(','));
    return std::to_string(job.array_job_id) + "_[" + std::string(tasks) + ']';
}

bool isGone(int error)
{
    return error == ESLURM_INVALID_JOB_ID || error == ESLURM_ALREADY_DONE;
}

std::span<const slurm_job_info_t> jobsIn(const job_info_msg_t& answer)
{
    return {answer.job_array, answer.record_count};
}

std::optional<std::string> adminCommentOf(const SchedulerJob& marked)
/// Nothing when the Slurm job has ended, or has another mark now.
{
    job_info_msg_t* answer = nullptr;
    // For an array, Slurm answers with every task.
    const auto number = static_cast<std::uint32_t>(std::stoul(marked.name));
    if (slurm_load_job(&answer, slurmJobId(number), SHOW_ALL) != SLURM_SUCCESS) {
        if (isGone(errno))
            return std::nullopt;
        throwLastError();
    }
    const std::unique_ptr<job_info_msg_t, FreeJobs> owner(answer);
    for (const slurm_job_info_t& job : jobsIn(*answer)) {
        if (nameOf(job) == marked.name && !hasEnded(job) && markOf(textOf(job.comment)) == marked.mark)
            return textOf(job.admin_comment);
    }
    return std::nullopt;
}

void comment(std::string job, std::string text)
/// Ignores errors: the Slurm job is cancelled all the same.
{
    job_desc_msg_t update;
    slurm_init_job_desc_msg(&update);
    update.job_id_str = job.data();
    update.admin_comment = text.data();
    job_array_resp_msg_t* answer = nullptr;
    slurm_update_job2(&update, &answer);
    if (answer != nullptr)
        slurm_free_job_array_resp(answer);
}

std::vector<SchedulerJob> listMarkedJobs()
{
    job_info_msg_t* jobs = nullptr;
    if (slurm_load_jobs(0, &jobs, SHOW_ALL) != SLURM_SUCCESS)
        throwLastError();
    const std::unique_ptr<job_info_msg_t, FreeJobs> owner(jobs);
    const std::time_t now = std::time(nullptr);

    std::vector<SchedulerJob> marked;
    for (const slurm_job_info_t& job : jobsIn(*jobs)) {
        if (job.comment == nullptr)
            continue;
        if (const auto mark = markOf(job.comment))
            marked.push_back({.name = nameOf(job),
                              .mark = *mark,
                              .user = job.user_id,
                              .isWaiting = isWaiting(job),
                              .isSuspended = isSuspended(job, *mark),
                              .resumedAgo = resumedAgo(job, *mark, now),
                              .startedAgo = startedAgo(job, now),
                              .endedAgo = endedAgo(job, now),
                              .isCompleting = (job.job_state & JOB_COMPLETING) != 0,
                              .state = hasEnded(job) ? endOf(job) : "",
                              .isPart = isCut(waitingTasks(job))});
    }
    return marked;
}

bool releaseJob(const SchedulerJob& job, const std::string& reason, const RunLimit& limit)
{
    const auto before = adminCommentOf(job);
    if (!before)
        return false;
    // An earlier release that failed half way has written the reason already.
    if (before->find(reason) == std::string::npos) {
        comment(job.name, (before->empty() ? "" : *before + "; ") + reason);
        // That took time, in which the owner may have changed the mark. Slurm cannot cancel a job on
        // condition of its comment, so nothing comes between this check and the cancel.
        if (!adminCommentOf(job)) {
            comment(job.name, *before);
            return false;
        }
    }
    if (limit.isReached())
        return false; // nobody waits for the answer
    if (slurm_kill_job2(job.name.c_str(), SIGKILL, 0, nullptr) == SLURM_SUCCESS)
        return true;
    if (!isGone(errno))
        throwLastError();
    return false;
}

} // namespace

class SlurmScheduler::Work
/// Calls of Slurm's API, and what became of them. Shared with the thread that makes them.
{
public:
    explicit Work(std::function<void()> calls) : _calls(std::move(calls)) {}

    void carryOut() noexcept
    {
        std::exception_ptr failure;
        try {
            _calls();
        } catch (...) {
            // Without a text, as memory may be missing.
            failure = std::current_exception();
        }
        const std::lock_guard lock(_mutex);
        _failure = std::move(failure);
        _isDone = true;
        _done.notify_all();
    }

    bool await(const RunLimit& limit)
    /// False when the limit is reached first.
    {
        std::unique_lock lock(_mutex);
        return _done.wait_until(lock, limit.stop, limit.deadline, [this] { return _isDone; });
    }

    void rethrowFailure() const
    /// Call it when the work is done. Throws SchedulerError.
    {
        try {
            if (_failure)
                std::rethrow_exception(_failure);
        } catch (const std::exception& exception) {
            throw SchedulerError(exception.what());
        }
    }

private:
    const std::function<void()> _calls;
    std::mutex _mutex;
    std::condition_variable_any _done;
    std::exception_ptr _failure;
    bool _isDone = false;
};

void SlurmScheduler::carryOut(std::function<void()> calls, const RunLimit& limit)
/// Throws SchedulerError, also when the limit is reached before the calls have returned.
{
    const auto left = std::chrono::ceil<std::chrono::seconds>(limit.deadline - RunLimit::Clock::now());
    if (left.count() <= 0)
        throw SchedulerError("the run had no time left to ask");
    const auto isLate = [&] {
        return SchedulerError("no answer within " + std::to_string(left.count()) + " s");
    };
    if (_work && !_work->await(limit))
        throw isLate();
    auto work = std::make_shared<Work>(std::move(calls));
    try {
        signalFreeThread("hang_slurm", [work] { work->carryOut(); }).detach();
    } catch (const std::system_error& error) {
        throw SchedulerError(std::string("no thread can be started to ask: ") + error.what());
    }
    _work = std::move(work);
    if (!_work->await(limit))
        throw isLate();
    _work->rethrowFailure();
}

std::vector<SchedulerJob> SlurmScheduler::markedJobs(const RunLimit& limit)
{
    const auto jobs = std::make_shared<std::vector<SchedulerJob>>();
    carryOut([jobs] { *jobs = listMarkedJobs(); }, limit);
    return std::move(*jobs);
}

std::uint64_t SlurmScheduler::marksSeen() const
{
    return HangDetection::marksSeen();
}

bool SlurmScheduler::release(const SchedulerJob& job, const std::string& reason, const RunLimit& limit)
{
    const auto isReleased = std::make_shared<bool>(false);
    carryOut([=] { *isReleased = releaseJob(job, reason, limit); }, limit);
    return *isReleased;
}

} // namespace HangDetection
