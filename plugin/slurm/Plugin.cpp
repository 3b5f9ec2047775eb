// Slurm's job submit plugin interface, in C: the only way from slurmctld to the detector. Each function only
// forwards its call, and no exception leaves it.
//
// slurmctld calls init as SlurmUser before it opens a port. If init fails, slurmctld does not start. So it
// fails for a wrong path in slurm.conf, as Slurm itself does, but neither for a wrong hang_detector.conf nor
// when the database is down: a cluster that schedules is worth more than a detector that runs. slurmctld
// calls fini only when its list of plugins changes; an ordinary shutdown is an exit() while the detector's
// thread runs.

#include "JobMark.h"
#include "Lifecycle.h"
#include "SettingsFile.h"
#include "SlurmConf.h"
#include "SlurmLogChannel.h"
#include "SlurmRelease.h"
#include "notification/LogLine.h"

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
/// Stops every exception: logs it and returns SLURM_ERROR.
{
    try {
        try {
            action();
            return SLURM_SUCCESS;
        } catch (const SettingsError& error) {
            slurmLogger().error(error.what());
        } catch (const std::exception& exception) {
            slurmLogger().error("unexpected error: " + shortened(exception.what()));
        } catch (...) {
            slurmLogger().error("unexpected error");
        }
    } catch (...) {
        // The log failed, too.
    }
    return SLURM_ERROR;
}

void start()
{
    // When an earlier load failed, init may come again without fini.
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

// Called under slurmctld's locks for each submission and each change of a job, so both only look at the
// comment and wait for nothing.

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
