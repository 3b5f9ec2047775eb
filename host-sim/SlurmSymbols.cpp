// slurmctld's log functions, which the plugin calls. The program exports them, so the plugin finds them as it
// does in slurmctld. And what only the simulator has, by which the plugin knows it.

#include "HostLog.h"

#include <slurm/slurm.h>
#include <slurm/spank.h>

#include <cstdarg>
#include <cstdio>
#include <string>

namespace {

using HangDetection::Sim::LogLevel;

__attribute__((format(printf, 2, 0))) void write(LogLevel level, const char* format, std::va_list arguments)
{
    std::va_list again;
    va_copy(again, arguments);
    const int length = std::vsnprintf(nullptr, 0, format, again);
    va_end(again);
    if (length < 0)
        return;
    std::string line(static_cast<std::size_t>(length), '\0');
    if (std::vsnprintf(line.data(), line.size() + 1, format, arguments) == length)
        HangDetection::Sim::writeToHostLog(level, line);
}

} // namespace

#define DEFINE_LOG_FUNCTION(name, level)                                                                     \
    __attribute__((visibility("default"))) void name(const char* format, ...)                                \
    {                                                                                                        \
        std::va_list arguments;                                                                              \
        va_start(arguments, format);                                                                         \
        write(level, format, arguments);                                                                     \
        va_end(arguments);                                                                                   \
    }

extern "C" {

__attribute__((visibility("default"))) bool hang_detector_is_simulated()
{
    return true;
}

DEFINE_LOG_FUNCTION(slurm_error, LogLevel::error)
DEFINE_LOG_FUNCTION(slurm_info, LogLevel::info)
DEFINE_LOG_FUNCTION(slurm_verbose, LogLevel::verbose)
DEFINE_LOG_FUNCTION(slurm_debug, LogLevel::debug)
DEFINE_LOG_FUNCTION(slurm_debug2, LogLevel::debug)
}
