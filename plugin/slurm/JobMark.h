#pragma once

#include "data/Job.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace HangDetection {

// The comment of a Slurm job says which provisioner job it runs, in a token
// `provisioner_job=<uuid>`. Blanks, commas and semicolons separate the tokens.

std::optional<JobId> markedJob(std::string_view comment);
/// The job of the one mark in the comment. Nothing without a mark, and nothing for a comment that
/// markError() finds fault with.

std::optional<std::string> markError(std::string_view comment);
/// What is wrong and what is allowed, in a line for the user, when what follows
/// `provisioner_job=` is no UUID, or when two marks contradict each other.

bool isMarkAllowed(const char* comment, char** message = nullptr) noexcept;
/// For a submission, under slurmctld's locks. The comment may be null. A refusal adds its reason, for the
/// user, to the end of *message, unless message is null; slurmctld frees *message, which may be null before.

std::uint64_t marksSeen() noexcept;
/// A number that grows with each good mark that isMarkAllowed() sees. Its first comment counts as one, even
/// without a mark: a controller that stood by until then has not seen the earlier ones. From any thread.

} // namespace HangDetection
