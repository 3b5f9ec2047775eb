#pragma once

#include "data/Job.h"

namespace HangDetection {

const char* causeOf(Outcome outcome);
/// Why a job was left as it is, as log and metrics name it; `unknown` when it was not.

const char* nameOf(Reason reason);

const char* nameOfRevival(bool hasSucceeded);
/// What a terminated job's worker has done since.

} // namespace HangDetection
