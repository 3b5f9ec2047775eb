#include "SlurmAllocations.h"

#include "detection/AllocationMark.h"

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <memory>
#include <span>

namespace HangDetection {

namespace {

struct FreeJobs
{
    void operator()(job_info_msg_t* jobs) const { slurm_free_job_info_msg(jobs); }
};

/// Slurm ends a job and puts it back into its queue: it has not ended then, whatever its state.
constexpr std::uint32_t isRequeued = JOB_REQUEUE | JOB_REQUEUE_HOLD | JOB_SPECIAL_EXIT | JOB_REQUEUE_FED;

std::string textOf(const char* text)
{
    return text == nullptr ? "" : text;
}

[[noreturn]] void throwLastError()
{
    throw AllocationError(slurm_strerror(errno));
}

bool hasEnded(const slurm_job_info_t& job)
{
    return (job.job_state & JOB_STATE_BASE) > JOB_SUSPENDED && (job.job_state & isRequeued) == 0;
}

bool isPaused(const slurm_job_info_t& job)
{
    const auto state = job.job_state & JOB_STATE_BASE;
    return state == JOB_PENDING || state == JOB_SUSPENDED ||
           (job.job_state & (isRequeued | JOB_STOPPED)) != 0;
}

std::optional<std::chrono::seconds> resumedAgo(const slurm_job_info_t& job, std::time_t now)
{
    if (isPaused(job) || (job.restart_cnt == 0 && job.suspend_time == 0))
        return std::nullopt;
    return std::chrono::seconds(now - std::max(job.start_time, job.suspend_time));
}

bool isGone(int error)
{
    return error == ESLURM_INVALID_JOB_ID || error == ESLURM_ALREADY_DONE;
}

} // namespace

std::vector<Allocation> SlurmAllocations::marked()
{
    job_info_msg_t* answer = nullptr;
    if (slurm_load_jobs(0, &answer, SHOW_ALL) != SLURM_SUCCESS)
        throwLastError();
    const std::unique_ptr<job_info_msg_t, FreeJobs> owner(answer);
    const std::time_t now = std::time(nullptr);

    std::vector<Allocation> allocations;
    for (const slurm_job_info_t& job : std::span(answer->job_array, answer->record_count)) {
        if (job.comment == nullptr || hasEnded(job))
            continue;
        if (const auto mark = markedJob(job.comment))
            allocations.push_back({.slurmJob = job.job_id,
                                   .markedWith = *mark,
                                   .adminComment = textOf(job.admin_comment),
                                   .isPaused = isPaused(job),
                                   .resumedAgo = resumedAgo(job, now)});
    }
    return allocations;
}

void SlurmAllocations::release(const Allocation& allocation, const std::string& reason)
{
    // A release that failed half way has written its reason already.
    std::string comment = allocation.adminComment;
    if (comment.find(reason) == std::string::npos)
        comment += (comment.empty() ? "" : "; ") + reason;
    job_desc_msg_t update;
    slurm_init_job_desc_msg(&update);
    update.job_id = allocation.slurmJob;
    update.admin_comment = comment.data();
    if (slurm_update_job(&update) != SLURM_SUCCESS) {
        if (isGone(errno))
            return;
        throwLastError();
    }

    const std::string id = std::to_string(allocation.slurmJob);
    if (slurm_kill_job2(id.c_str(), SIGKILL, 0, nullptr) != SLURM_SUCCESS && !isGone(errno))
        throwLastError();
}

} // namespace HangDetection
