#pragma once

#include "libpq/WaitLimit.h"

#include <stdexcept>

namespace HangDetection {

using RunLimit = Libpq::WaitLimit;
/// When a run ends before its work is done: at a stop, and at its deadline.

class RunStopped : public std::runtime_error
/// The run was asked to stop. This is not an error.
{
public:
    RunStopped() : std::runtime_error("stopped") {}
};

} // namespace HangDetection
