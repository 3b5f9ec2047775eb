#pragma once

#include "data/Job.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace HangDetection {

// The comment of a Slurm job says which provisioner job it runs, in a token `provisioner_job=<uuid>`, or
// which provisioner daemon, in a token `provisioner_daemon=<name>`. Blanks, commas and semicolons separate
// the tokens. The key may be in any case. Quotes around a value, or around key and value, do not belong to
// it.

std::optional<Mark> markOf(std::string_view comment);
/// No value without a mark, or when markError() finds an error.

std::optional<std::string> markError(std::string_view comment);
/// One line for the user: what is wrong and what is allowed. There is an error when the text after
/// `provisioner_job=` is no UUID, when that after `provisioner_daemon=` is no name of a daemon, when a mark
/// is no word of its own or has blanks around the `=`, or when two marks differ.

bool isMarkAllowed(const char* comment, char** message = nullptr) noexcept;
/// Called for a submission, under slurmctld's locks. The comment may be null. A refusal adds its reason for
/// the user to the end of *message, unless message is null. *message may be null before; slurmctld frees it.

std::uint64_t marksSeen() noexcept;
/// A number that grows with each correct mark that isMarkAllowed() sees. The first comment counts even
/// without a mark: a backup controller that takes over has not seen the earlier marks. Any thread may call
/// it.

} // namespace HangDetection
