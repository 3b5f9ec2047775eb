#pragma once

#include <cstdint>

namespace HangDetection {

int checkMark(const char* comment, char** message = nullptr) noexcept;
/// SLURM_SUCCESS for a comment, which may be null, without a mark of a provisioner job or with a
/// good one. Otherwise the code to refuse the submission with, and at the end of *message, unless
/// message is null, the reason for the user. slurmctld frees *message, which may be null before.

std::uint64_t marksSeen() noexcept;
/// A number that has grown since, if checkMark() has seen a good mark. Its first comment counts as
/// one, even without a mark: a controller that stood by until then has not seen those of before. From
/// any thread.

} // namespace HangDetection
