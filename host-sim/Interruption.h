#pragma once

namespace HangDetection::Sim {

void catchInterruption();
/// From now on SIGINT, SIGTERM and SIGHUP do not end the process; they are remembered.

bool isInterrupted();
/// True when one of them has come.

} // namespace HangDetection::Sim
