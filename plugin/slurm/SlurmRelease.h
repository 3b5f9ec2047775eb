#pragma once

// All that depends on the release of Slurm, from 22.05 on. The tests run with 22.05, 24.11 and 26.05
// (tests/on). What a later release changes in its public headers, or calls in another way in a
// plugin, belongs here, too.

#include <slurm/slurm.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

/// From 23.02 on job_modify has a last parameter: what the user is told, as in job_submit. Slurm
/// installs no header for what slurmctld calls in a plugin.
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(23, 2, 0)
#define JOB_MODIFY_MESSAGE(message) , message
#else
#define JOB_MODIFY_MESSAGE(message)
#endif

extern "C" int job_modify(job_desc_msg_t* job, void* /* job_record_t, which is not public */,
                          std::uint32_t user JOB_MODIFY_MESSAGE(char** message));

/// What slurmctld frees has to come from Slurm's allocator, of which the public headers declare
/// nothing. Every libslurmfull from 22.05 on exports it like this.
extern "C" void* slurm_xrecalloc(void** memory, std::size_t count, std::size_t size, bool clear, bool mayFail,
                                 const char* file, int line, const char* function);

namespace HangDetection {

constexpr bool changeHasMessage =
    std::is_invocable_v<decltype(&job_modify), job_desc_msg_t*, void*, std::uint32_t, char**>;
/// Whether the user is told why a change of a job is refused.

template <typename Record>
auto& jobNumber(Record& job)
/// Of a slurm_job_info_t. From 25.11 on it is in its step_id.
{
    if constexpr (requires { job.job_id; })
        return job.job_id;
    else
        return job.step_id.job_id;
}

template <typename Id>
Id idToLoad(int (*)(job_info_msg_t**, Id, std::uint16_t));
/// Not defined: it names the type below.

using SlurmJobId = decltype(idToLoad(&slurm_load_job));
/// By which slurm_load_job finds a job: a number, in 26.05 one in a slurm_step_id_t.

template <typename Id = SlurmJobId>
Id slurmJobId(std::uint32_t number)
{
    if constexpr (std::is_integral_v<Id>) {
        return number;
    } else {
        Id id{};
        id.job_id = number;
        id.step_id = NO_VAL;
        id.step_het_comp = NO_VAL;
        return id;
    }
}

} // namespace HangDetection
