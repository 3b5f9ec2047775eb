#include "MarkCheck.h"

#include "SlurmRelease.h"
#include "detection/AllocationMark.h"

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#include <atomic>
#include <cerrno>
#include <string>

// So that a Slurm without it costs the user the reason, not slurmctld its life.
#pragma weak slurm_xrecalloc

namespace HangDetection {

namespace {

/// Written under slurmctld's locks, read by the detector's thread. The plugin interface passes no
/// context, so its place has to be here.
std::atomic<std::uint64_t> seen = 0;

void append(char*& message, const std::string& reason)
/// In a line of its own, below what another plugin has said. Without memory the message stays.
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
        // No memory: the mark is looked at again when it matters.
        return SLURM_SUCCESS;
    }
}

std::uint64_t marksSeen() noexcept
{
    return seen;
}

} // namespace HangDetection
