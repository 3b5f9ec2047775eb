#pragma once

#include "data/Job.h"

namespace HangDetection {

const char* causeOf(Outcome outcome);
/// Why a job was left as it is, as log and metrics name it. `unknown` for other outcomes.

const char* nameOf(Reason reason);

const char* nameOfRevival(bool hasSucceeded);
/// What the worker of a terminated job has done since then.

} // namespace HangDetection
