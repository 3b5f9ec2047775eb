#pragma once

// Everything that depends on the release of Slurm, from 22.05 on. What a later release changes in its public
// headers or in its calls of a plugin belongs here, too. The tests run with 22.05, 24.11 and 26.05
// (tests/on).

#include <slurm/slurm.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

/// From 23.02 on job_modify has one more parameter: the message to the user, as in job_submit. Slurm installs
/// no header that declares the functions of a plugin.
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(23, 2, 0)
#define JOB_MODIFY_MESSAGE(message) , message
#else
#define JOB_MODIFY_MESSAGE(message)
#endif

extern "C" int job_modify(job_desc_msg_t* job, void* /* job_record_t, which is not public */,
                          std::uint32_t user JOB_MODIFY_MESSAGE(char** message));

/// slurmctld frees the message, so it has to come from Slurm's allocator. No public header declares that;
/// every libslurmfull from 22.05 on exports this function.
extern "C" void* slurm_xrecalloc(void** memory, std::size_t count, std::size_t size, bool clear, bool mayFail,
                                 const char* file, int line, const char* function);

namespace HangDetection {

constexpr bool changeHasMessage =
    std::is_invocable_v<decltype(&job_modify), job_desc_msg_t*, void*, std::uint32_t, char**>;
/// Whether the user sees why a change of a job is refused.

template <typename Record>
auto& jobNumber(Record& job)
/// The number of a slurm_job_info_t. From 25.11 on it is in step_id.
{
    if constexpr (requires { job.job_id; })
        return job.job_id;
    else
        return job.step_id.job_id;
}

template <typename Id>
Id idToLoad(int (*)(job_info_msg_t**, Id, std::uint16_t));
/// Never defined; only its return type is used, below.

using SlurmJobId = decltype(idToLoad(&slurm_load_job));
/// What slurm_load_job takes: the number of a job; in 26.05 a slurm_step_id_t that holds it.

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
