#include "MarkCheck.h"

#include "SlurmRelease.h"
#include "detection/AllocationMark.h"

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#include <atomic>
#include <cerrno>
#include <string>

// If Slurm lacks it, only the reason for the user is missing, and slurmctld does not crash.
#pragma weak slurm_xrecalloc

namespace HangDetection {

namespace {

/// Written under slurmctld's locks, read by the detector's thread. Global, because the plugin interface
/// passes no context.
std::atomic<std::uint64_t> seen = 0;

void append(char*& message, const std::string& reason)
/// Appends the reason as a line of its own, below those of other plugins. Without memory the message stays as
/// it is.
{
    if (slurm_xrecalloc == nullptr)
        return;
    std::string text = message == nullptr ? "" : message;
    if (!text.empty() && !text.ends_with('\n'))
        text += '\n';
    text += reason;
    void* memory = message;
    if (slurm_xrecalloc(&memory, text.size() + 1, 1, true, true, __FILE__, __LINE__, __func__) == nullptr)
        return;
    message = static_cast<char*>(memory);
    message[text.copy(message, text.size())] = '\0';
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
        if (message != nullptr)
            append(*message, *error);
        return EINVAL;
    } catch (...) {
        // No memory. The mark is checked again before it is used.
        return SLURM_SUCCESS;
    }
}

std::uint64_t marksSeen() noexcept
{
    return seen;
}

} // namespace HangDetection
