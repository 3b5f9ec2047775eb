// The door between slurmctld and the detector: the job submit plugin interface of
// Slurm, as C. Each entry forwards, and no exception passes it.
//
// slurmctld calls init as SlurmUser before it opens a port. Settings that are wrong
// refuse to start; a database that is down does not. fini comes only when the plugin
// list changes; an ordinary shutdown is an exit() while the detector's thread runs.

#include "JobMark.h"
#include "Lifecycle.h"
#include "SettingsFile.h"
#include "SlurmConf.h"
#include "SlurmLogChannel.h"
#include "SlurmRelease.h"

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#include <cerrno>
#include <cstdint>
#include <exception>
#include <string>

namespace {

using namespace HangDetection;

template <typename Action>
int guarded(Action action) noexcept
/// The barrier: what an action throws becomes a line in the log and SLURM_ERROR.
{
    try {
        try {
            action();
            return SLURM_SUCCESS;
        } catch (const SettingsError& error) {
            slurmLogger().error(error.what());
        } catch (const std::exception& exception) {
            slurmLogger().error(std::string("unexpected error: ") + exception.what());
        } catch (...) {
            slurmLogger().error("unexpected error");
        }
    } catch (...) {
        // Not even logging works.
    }
    return SLURM_ERROR;
}

void start()
{
    // init may come again without fini when an earlier load failed.
    stopDetector();
    const SlurmConf conf = SlurmConf::read(SlurmConf::location());
    startDetector(conf.settingsFile(), conf.clusterName());
}

} // namespace

#define HANG_DETECTOR_EXPORT __attribute__((visibility("default")))

extern "C" {

HANG_DETECTOR_EXPORT extern const char plugin_name[] = "Hang detector for provisioner jobs";
HANG_DETECTOR_EXPORT extern const char plugin_type[] = "job_submit/hang_detector";
HANG_DETECTOR_EXPORT extern const std::uint32_t plugin_version = SLURM_VERSION_NUMBER;

HANG_DETECTOR_EXPORT int init()
{
    return guarded(start);
}

HANG_DETECTOR_EXPORT int fini()
{
    return guarded(stopDetector);
}

// Both are called for every submission, under slurmctld's locks: they look at a comment, and wait
// for nothing.

HANG_DETECTOR_EXPORT int job_submit(job_desc_msg_t* job, std::uint32_t, char** message)
{
    return isMarkAllowed(job->comment, message) ? SLURM_SUCCESS : EINVAL;
}

HANG_DETECTOR_EXPORT int job_modify(job_desc_msg_t* job, void*,
                                    std::uint32_t JOB_MODIFY_MESSAGE(char** message))
{
    return isMarkAllowed(job->comment JOB_MODIFY_MESSAGE(message)) ? SLURM_SUCCESS : EINVAL;
}
}
