#pragma once

#include <cstdint>

namespace HangDetection {

int checkMark(const char* comment, char** message = nullptr) noexcept;
/// Returns SLURM_SUCCESS when the comment, which may be null, has no mark of a provisioner job or a good one.
/// Otherwise returns the code that refuses the submission, and appends the reason for the user to *message,
/// unless message is null. *message may be null before; slurmctld frees it.

std::uint64_t marksSeen() noexcept;
/// How many good marks checkMark() has seen. Its first call counts as one, even without a mark: a standby
/// controller has not seen the marks that were set before it took over. May be called from any thread.

} // namespace HangDetection
