#pragma once

#include <functional>
#include <thread>

namespace HangDetection {

std::thread signalFreeThread(const char* name, std::function<void()> body);
/// Starts a thread in which every signal is blocked, so that none that is meant
/// for slurmctld is ever delivered to it. The name, at most 15 characters, is what
/// ps and gdb show. An exception that leaves the body ends the thread, never the
/// process. Throws std::system_error when no thread can be had.

} // namespace HangDetection
