#pragma once

#include "data/Job.h"

#include <optional>
#include <string>
#include <string_view>

namespace HangDetection {

// Which provisioner job a Slurm job runs is said by its comment, in a token
// `provisioner_job=<uuid>`. Blanks, commas and semicolons separate the tokens.

std::optional<JobId> markedJob(std::string_view comment);
/// The job of the one mark in the comment. Nothing without a mark, and nothing for a comment that
/// markError() has something to say of.

std::optional<std::string> markError(std::string_view comment);
/// What is wrong and what is allowed, in a line for the user, when what follows
/// `provisioner_job=` is no UUID, or when two marks contradict each other.

} // namespace HangDetection
