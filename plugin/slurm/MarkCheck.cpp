#include "MarkCheck.h"

#include "SlurmRelease.h"
#include "detection/AllocationMark.h"

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#include <atomic>
#include <cerrno>
#include <string>

// So that a Slurm without it costs the user the reason, not slurmctld its life.
#pragma weak slurm_xcalloc

namespace HangDetection {

namespace {

/// Written under slurmctld's locks, read by the detector's thread. The plugin interface passes no
/// context, so its place has to be here.
std::atomic<std::uint64_t> seen = 0;

char* slurmCopy(const std::string& text)
/// Null when there is no memory.
{
    if (slurm_xcalloc == nullptr)
        return nullptr;
    auto* const copy =
        static_cast<char*>(slurm_xcalloc(text.size() + 1, 1, true, true, __FILE__, __LINE__, __func__));
    if (copy != nullptr)
        text.copy(copy, text.size());
    return copy;
}

} // namespace

int checkMark(const char* comment, char** message) noexcept
{
    try {
        const auto error = markError(comment == nullptr ? "" : comment);
        if (!error) {
            if (seen == 0 || (comment != nullptr && markedJob(comment)))
                ++seen;
            return SLURM_SUCCESS;
        }
        // Another plugin may have said something already.
        if (message != nullptr && *message == nullptr)
            *message = slurmCopy(*error);
        return EINVAL;
    } catch (...) {
        // No memory: the mark is looked at again when it matters.
        return SLURM_SUCCESS;
    }
}

std::uint64_t marksSeen() noexcept
{
    return seen;
}

} // namespace HangDetection
