#pragma once

#include <functional>
#include <thread>

namespace HangDetection {

std::thread signalFreeThread(const char* name, std::function<void()> body);
/// Starts a thread that blocks every signal, so that signals for slurmctld never go to it. ps and gdb show
/// its name, of 15 characters at most. An exception that leaves the body ends the thread, not the process.
/// Throws std::system_error when no thread can be started.

} // namespace HangDetection
