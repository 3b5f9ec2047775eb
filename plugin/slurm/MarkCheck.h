#pragma once

namespace HangDetection {

int checkMark(const char* comment, char** message = nullptr) noexcept;
/// SLURM_SUCCESS for a comment, which may be null, without a mark of a provisioner job or with a
/// good one. Otherwise the code to refuse the submission with, and in *message, unless message is
/// null, the reason for the user, which slurmctld frees.

} // namespace HangDetection
