#pragma once

#include "ContractCheck.h"
#include "DemoCluster.h"

#include <string>
#include <vector>

namespace HangDetection::Sim {

struct Effect
/// One line of the demo's summary: in how many jobs, or Slurm jobs, an effect was expected and found.
{
    std::string description;
    int expected = 0;
    int found = 0;

    bool isComplete() const { return expected > 0 && expected == found; }
    /// A check that looked at no job has found nothing out.
};

std::vector<Effect> checkEffects(const DemoCluster& cluster, JobDatabase& database,
                                 const NotificationsByJob& notifications,
                                 const std::vector<SimulatedJob>& slurmJobs);
/// Looks at every job of the demo and at the Slurm jobs that there are now: the detector's contract says
/// what became of each, from what it was before the plugin came and the notifications that arrived.

} // namespace HangDetection::Sim
