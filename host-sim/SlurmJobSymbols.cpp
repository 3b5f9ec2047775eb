// Slurm's functions for jobs that the plugin calls. They work on the simulated queue.

#include "SimulatedQueue.h"

#include "slurm/SlurmRelease.h"

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

namespace {

using namespace HangDetection::Sim;

std::uint32_t slurmState(SimulatedJob::State state)
{
    switch (state) {
    case SimulatedJob::State::running:
        return JOB_RUNNING;
    case SimulatedJob::State::suspended:
        return JOB_SUSPENDED;
    case SimulatedJob::State::failed:
        return JOB_NODE_FAIL;
    case SimulatedJob::State::cancelled:
        break;
    }
    return JOB_CANCELLED;
}

int failed(int error)
{
    errno = error;
    return SLURM_ERROR;
}

std::uint32_t numberFrom(const char* job)
{
    return static_cast<std::uint32_t>(std::strtoul(job, nullptr, 10));
}

job_info_msg_t* messageOf(const SimulatedQueue& queue)
{
    const auto jobs = queue.jobs();
    auto* const message = new job_info_msg_t{};
    message->last_update = std::time(nullptr);
    message->record_count = static_cast<std::uint32_t>(jobs.size());
    message->job_array = new slurm_job_info_t[jobs.size()]{};
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        slurm_job_info_t& record = message->job_array[i];
        HangDetection::jobNumber(record) = jobs[i].id;
        record.array_task_id = NO_VAL;
        record.job_state = slurmState(jobs[i].state);
        record.start_time = queue.made() - 3600;
        record.end_time = queue.made() - 20;
        record.comment = strdup(jobs[i].comment.c_str());
        record.admin_comment = strdup(jobs[i].adminComment.c_str());
    }
    return message;
}

} // namespace

#define HOST_FUNCTION __attribute__((visibility("default")))

extern "C" {

HOST_FUNCTION int slurm_load_jobs(time_t, job_info_msg_t** job_info_msg_pptr, std::uint16_t)
{
    const bool isThere = withQueue([&](SimulatedQueue& queue) { *job_info_msg_pptr = messageOf(queue); });
    return isThere ? SLURM_SUCCESS : failed(SLURM_COMMUNICATIONS_CONNECTION_ERROR);
}

HOST_FUNCTION void slurm_free_job_info_msg(job_info_msg_t* job_buffer_ptr)
{
    if (job_buffer_ptr == nullptr)
        return;
    for (std::uint32_t i = 0; i < job_buffer_ptr->record_count; ++i) {
        std::free(job_buffer_ptr->job_array[i].comment);
        std::free(job_buffer_ptr->job_array[i].admin_comment);
    }
    delete[] job_buffer_ptr->job_array;
    delete job_buffer_ptr;
}

HOST_FUNCTION void slurm_init_job_desc_msg(job_desc_msg_t* job)
{
    *job = {};
}

HOST_FUNCTION int slurm_load_job(job_info_msg_t** resp, HangDetection::SlurmJobId, std::uint16_t)
{
    // All jobs: the plugin looks for its own among them.
    return slurm_load_jobs(0, resp, SHOW_ALL);
}

HOST_FUNCTION int slurm_update_job2(job_desc_msg_t* job_msg, job_array_resp_msg_t**)
{
    bool isKnown = false;
    const bool isThere = withQueue([&](SimulatedQueue& queue) {
        isKnown = queue.comment(numberFrom(job_msg->job_id_str), job_msg->admin_comment);
    });
    if (!isThere)
        return failed(SLURM_COMMUNICATIONS_CONNECTION_ERROR);
    return isKnown ? SLURM_SUCCESS : failed(ESLURM_INVALID_JOB_ID);
}

HOST_FUNCTION void slurm_free_job_array_resp(job_array_resp_msg_t*)
{
    // slurm_update_job2 makes none.
}

HOST_FUNCTION int slurm_kill_job2(const char* job, std::uint16_t, std::uint16_t, const char*)
{
    bool isCancelled = false;
    const bool isThere =
        withQueue([&](SimulatedQueue& queue) { isCancelled = queue.cancel(numberFrom(job)); });
    if (!isThere)
        return failed(SLURM_COMMUNICATIONS_CONNECTION_ERROR);
    return isCancelled ? SLURM_SUCCESS : failed(ESLURM_ALREADY_DONE);
}

HOST_FUNCTION char* slurm_strerror(int errnum)
{
    static char noQueue[] = "the simulator has no queue of Slurm jobs";
    return errnum == SLURM_COMMUNICATIONS_CONNECTION_ERROR
               ? noQueue
               : std::strerror(errnum); // NOLINT(concurrency-mt-unsafe): called by the detector's thread only
}

HOST_FUNCTION void* slurm_xrecalloc(void** memory, std::size_t count, std::size_t size, bool, bool,
                                    const char*, int, const char*)
{
    void* const larger = std::realloc(*memory, count * size);
    if (larger != nullptr)
        *memory = larger;
    return larger;
}
}
